/** What a worker does with its messages: answers one after another, as two big reads at once only make both slower. */
export function inTurn<Request>(
  answer: (request: Request) => Promise<unknown>,
): (event: MessageEvent<Request>) => void {
  let turn = Promise.resolve();
  return ({ data }) => {
    turn = turn
      .then(() => answer(data))
      .then((message) => {
        self.postMessage(message);
      });
  };
}
