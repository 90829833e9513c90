import { useEffect, useState } from "react";
import { liveLines } from "./_live";
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

/** Draws `hosts()` on `out` ten times a second; only changes are written. */
export function startPicture(ink: Ink, out: Screen, hosts: () => readonly HostTree[]): Picture {
  let drawn = false;
  const onDrawn = () => {
    drawn = true;
  };
  const instance = ink.render(<Deployments ink={ink} out={out} hosts={hosts} onDrawn={onDrawn} />, {
    stdout: out as NodeJS.WriteStream,
    exitOnCtrlC: false,
    interactive: true,
  });
  return {
    stop() {
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
}

function Deployments({ ink: { Box, Text }, out, hosts, onDrawn }: DeploymentsProps) {
  const [frame, setFrame] = useState(0);
  useEffect(() => {
    onDrawn();
    const timer = setInterval(() => setFrame((before) => before + 1), FRAME_MS);
    return () => clearInterval(timer);
  }, [onDrawn]);
  const { columns = 80, rows = 24 } = out;
  return (
    <Box flexDirection="column">
      {liveLines(hosts(), { columns, rows, frame, now: Date.now() }).map((line) => (
        <Text key={line.key} wrap="truncate-end">
          {line.text}
        </Text>
      ))}
    </Box>
  );
}
