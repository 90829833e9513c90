export async function init(_directory: string, _out: NodeJS.WritableStream): Promise<number> {
  return 0;
}
