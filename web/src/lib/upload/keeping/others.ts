// Other tabs answer within milliseconds; a frozen one does not, and sends nothing either.
const WITHIN_MS = 250;

type Message = { ask: string } | { answer: string; held: string[] };

/** The tabs of one person in one browser, who must not send the same photos at the same time. */
export class OtherTabs {
  private readonly channel: BroadcastChannel;
  private readonly asked = new Map<string, Set<string>>();
  private last = 0;
  private readonly self = Math.random().toString(36).slice(2);

  /** `held`: the photos that this tab sends or is going to. */
  constructor(name: string, held: () => Iterable<string>) {
    this.channel = new BroadcastChannel(name);
    this.channel.onmessage = ({ data }: MessageEvent<Message>) => {
      if ('ask' in data) this.channel.postMessage({ answer: data.ask, held: [...held()] } satisfies Message);
      else for (const photoId of data.held) this.asked.get(data.answer)?.add(photoId);
    };
  }

  /** The photos that other tabs have in hand. */
  async held(): Promise<ReadonlySet<string>> {
    const ask = `${this.self} ${++this.last}`;
    const found = new Set<string>();
    this.asked.set(ask, found);
    this.channel.postMessage({ ask } satisfies Message);
    await new Promise((resolve) => setTimeout(resolve, WITHIN_MS));
    this.asked.delete(ask);
    return found;
  }

  close(): void {
    this.channel.close();
  }
}
