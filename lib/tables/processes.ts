import { object } from "../model/schema";
import { deftable } from "../model/table";

interface Process {
  readonly [column: string]: string | number | null;
  readonly pid: number;
  readonly parent: number | null;
  readonly user: string;
  /** In per cent of one processor, since it was started. */
  readonly cpu: number | null;
  readonly memoryBytes: number;
  readonly command: string;
}

/** The running processes, by number. `memoryBytes` is what is resident; the command is shown with its arguments. */
export const processes = deftable({
  name: "tables.processes",
  args: object({}),
  call: () => ({}),
  rows: async (_args, target): Promise<Process[]> => {
    // Busybox knows none of these columns but pid, user, rss and args.
    const { stdout, exit } = await target.query(
      "ps -A -ww -o pid= -o ppid= -o user= -o pcpu= -o rss= -o args=",
      {
        mayFail: true,
      },
    );
    if (exit !== 0) return simple((await target.query("ps -o pid= -o user= -o rss= -o args=")).stdout);
    return stdout.split("\n").flatMap((line) => {
      const [, pid, parent, user = "", cpu, memory, command = ""] =
        /^\s*(\d+)\s+(\d+)\s+(\S+)\s+([\d.]+)\s+(\d+)\s+(.*)$/.exec(line) ?? [];
      if (pid === undefined) return [];
      return [
        {
          pid: Number(pid),
          parent: Number(parent),
          user,
          cpu: Number(cpu),
          memoryBytes: Number(memory) * 1024,
          command,
        },
      ];
    });
  },
});

const simple = (stdout: string): Process[] =>
  stdout.split("\n").flatMap((line) => {
    const [, pid, user = "", memory = "", unit, command = ""] =
      /^\s*(\d+)\s+(\S+)\s+(\d+)([mg]?)\s+(.*)$/.exec(line) ?? [];
    if (pid === undefined) return [];
    const size = Number(memory) * (unit === "g" ? 1024 ** 3 : unit === "m" ? 1024 ** 2 : 1024);
    return [{ pid: Number(pid), parent: null, user, cpu: null, memoryBytes: size, command }];
  });
