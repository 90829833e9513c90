/** The commands that run at a time over one connection. A host allows only so many (MaxSessions of sshd: 10). */
export class Sessions {
  #open = 0;
  readonly #waiting: (() => void)[] = [];

  /** `begin`, again whenever a session has ended, while it fails in a way that `isRefusal` and others are open. */
  async start<T>(begin: () => Promise<T>, isRefusal: (error: unknown) => boolean): Promise<T> {
    for (;;) {
      const others = this.#open++;
      try {
        return await begin();
      } catch (error) {
        this.ended();
        if (others === 0 || !isRefusal(error)) throw error;
        await new Promise<void>((wake) => this.#waiting.push(wake));
      }
    }
  }

  /** To be called when a session that was started is over. */
  ended(): void {
    this.#open--;
    for (const wake of this.#waiting.splice(0)) wake();
  }
}
