/** IndexedDB by promises: as much of it as keeping needs. */

/** Open a database, made by `upgrade` where this browser has none of this version yet. */
export function open(name: string, version: number, upgrade: (db: IDBDatabase) => void): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(name, version);
    request.onupgradeneeded = () => {
      upgrade(request.result);
    };
    request.onsuccess = () => {
      const db = request.result;
      // A tab with a newer page must not wait for this one.
      db.onversionchange = () => {
        db.close();
      };
      resolve(db);
    };
    request.onerror = () => {
      reject(reasonOf(request));
    };
  });
}

/** What a request answers. */
export function result<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => {
      resolve(request.result);
    };
    request.onerror = () => {
      reject(reasonOf(request));
    };
  });
}

/** Do `work` on these stores; resolves once all of it is kept, or none. */
export function write(db: IDBDatabase, stores: string[], work: (transaction: IDBTransaction) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const transaction = db.transaction(stores, 'readwrite');
    transaction.oncomplete = () => {
      resolve();
    };
    transaction.onabort = () => {
      reject(transaction.error ?? new DOMException('The transaction was aborted.', 'AbortError'));
    };
    work(transaction);
  });
}

function reasonOf(request: IDBRequest): Error {
  return request.error ?? new DOMException('The browser gives no reason.', 'UnknownError');
}
