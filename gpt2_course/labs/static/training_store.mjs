/**
 * Keeps a training in the browser's IndexedDB, so that it survives a reload: what to show of it, and what it needs to
 * continue. There is at most one.
 *
 * @import { TrainingProgress, TrainingState } from "../types.d.ts"
 */

const [NAME, STORE] = ["gpt2-course-training", "last"];

/**
 * @template T
 * @param {IDBRequest<T>} request
 * @returns {Promise<T>}
 */
const answered = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

/**
 * Run a transaction and close the database, because a page that keeps one open blocks its removal.
 * @template T
 * @param {IDBTransactionMode} mode
 * @param {(store: IDBObjectStore) => Promise<T>} work
 */
async function transaction(mode, work) {
  const opening = indexedDB.open(NAME, 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
  const database = await answered(opening);
  try {
    const transaction = database.transaction(STORE, mode);
    const completed = new Promise((resolve, reject) => {
      transaction.oncomplete = resolve;
      transaction.onabort = () => reject(transaction.error); // such as for lack of room
    });
    const [done] = await Promise.all([work(transaction.objectStore(STORE)), completed]);
    return done;
  } finally {
    database.close();
  }
}

/**
 * Keep a training in place of the last one. Both parts are written, or neither.
 * @param {TrainingProgress} progress
 * @param {TrainingState} state
 */
export const keep = (progress, state) =>
  transaction("readwrite", async (store) => {
    await Promise.all([answered(store.put(progress, "progress")), answered(store.put(state, "state"))]);
  });

/**
 * What to show of the training that is kept; null if there is none.
 * @returns {Promise<TrainingProgress | null>}
 */
export const keptProgress = () =>
  transaction("readonly", async (store) => (await answered(store.get("progress"))) ?? null);

/**
 * What the training that is kept needs to continue; null if there is none.
 * @returns {Promise<TrainingState | null>}
 */
export const keptState = () => transaction("readonly", async (store) => (await answered(store.get("state"))) ?? null);

export const forget = () => transaction("readwrite", (store) => answered(store.clear()));
