import { useSyncExternalStore } from "react";
import type { loadInk } from "../views/_picture";

type Ink = Awaited<ReturnType<typeof loadInk>>;

/** Lines that change. */
export interface Lines {
  get(): readonly string[];
  subscribe(listener: () => void): () => void;
}

/** Draws `lines` on the alternate screen of `out`, until the returned function is called, which shows the usual one again. */
export function startDrawing(ink: Ink, out: NodeJS.WriteStream, lines: Lines): () => void {
  const instance = ink.render(<Screen ink={ink} lines={lines} />, {
    stdout: out,
    exitOnCtrlC: false,
    interactive: true,
    alternateScreen: true,
    incrementalRendering: true,
    patchConsole: false,
  });
  return () => instance.unmount();
}

function Screen({ ink: { Box, Text }, lines }: { readonly ink: Ink; readonly lines: Lines }) {
  const shown = useSyncExternalStore(lines.subscribe, lines.get);
  return (
    <Box flexDirection="column">
      {shown.map((line, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a line of the screen is what its place is
        <Text key={index} wrap="truncate-end">
          {line === "" ? " " : line}
        </Text>
      ))}
    </Box>
  );
}
