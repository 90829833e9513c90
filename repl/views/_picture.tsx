import { stripVTControlCharacters } from "node:util";
import { useEffect, useState } from "react";
import { type Line, liveLines, wrappedRows } from "./_live";
import type { HostTree } from "./_tree";
import type { Screen } from "./view";

type Ink = typeof import("ink");

/** A drawing on the screen; `stop` erases it. */
export interface Picture {
  stop(): void;
}

/** ink has top-level await, so it can only be imported. */
export const loadInk = (): Promise<Ink> => import("ink");

const FRAME_MS = 100;
const LINE_UP = "\u001b[1A";
const ERASE_LINE = "\u001b[2K";

/** Draws `hosts()` on `out` ten times a second; only changes are written. */
export function startPicture(ink: Ink, out: Screen, hosts: () => readonly HostTree[]): Picture {
  let drawn = false;
  const onDrawn = () => {
    drawn = true;
  };
  /** How wide the lines on the screen are. */
  let widths: readonly number[] = [];
  const show = (lines: readonly Line[], columns: number): readonly Line[] => {
    widths = lines.map(({ text }) => Math.min(columns, stripVTControlCharacters(text).length));
    return lines;
  };
  // ink then erases as many rows as it has drawn lines, from here up. On this one readline has shown its prompt.
  const eraseWrapped = () =>
    out.write(ERASE_LINE + (LINE_UP + ERASE_LINE).repeat(wrappedRows(widths, out.columns)));
  const stream = out as NodeJS.WriteStream;
  if (wrapsAgain) stream.on("resize", eraseWrapped);
  const instance = ink.render(<Deployments {...{ ink, out, hosts, onDrawn, show }} />, {
    stdout: stream,
    exitOnCtrlC: false,
    interactive: true,
  });
  return {
    stop() {
      stream.off("resize", eraseWrapped);
      instance.rerender(null);
      instance.unmount();
      if (drawn) out.write(LINE_UP); // ink leaves an empty line
    },
  };
}

interface DeploymentsProps {
  readonly ink: Ink;
  readonly out: Screen;
  readonly hosts: () => readonly HostTree[];
  readonly onDrawn: () => void;
  readonly show: (lines: readonly Line[], columns: number) => readonly Line[];
}

/** False for terminals that cut the lines of a window that becomes narrower. */
const wrapsAgain =
  process.env["XTERM_VERSION"] === undefined && !/^(linux|rxvt)/.test(process.env["TERM"] ?? "");

function Deployments({ ink: { Box, Text }, out, hosts, onDrawn, show }: DeploymentsProps) {
  const [frame, setFrame] = useState(0);
  useEffect(() => {
    onDrawn();
    const timer = setInterval(() => setFrame((before) => before + 1), FRAME_MS);
    return () => clearInterval(timer);
  }, [onDrawn]);
  const { columns = 80, rows = 24 } = out;
  return (
    <Box flexDirection="column">
      {show(liveLines(hosts(), { columns, rows, frame, now: Date.now() }), columns).map((line) => (
        <Text key={line.key} wrap="truncate-end">
          {line.text}
        </Text>
      ))}
    </Box>
  );
}
