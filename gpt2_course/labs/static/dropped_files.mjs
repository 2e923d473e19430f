/**
 * Files that are dropped or picked, with their paths. A dropped folder is read with the folders in it.
 *
 * @import { Given } from "../types.d.ts"
 */

const MOST = 2000; // files

/**
 * The files of a drop. It has to be called while the event is handled; its answer comes later.
 * @param {DataTransfer} transfer
 * @returns {Promise<Given[]>}
 */
export async function filesOf(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry()).filter((entry) => entry !== null);
  if (!entries.length) return picked(transfer.files);
  /** @type {Given[]} */
  const found = [];
  while (entries.length) {
    const entry = /** @type {FileSystemEntry} */ (entries.pop());
    if (entry.isDirectory) entries.push(...(await childrenOf(/** @type {FileSystemDirectoryEntry} */ (entry))));
    else found.push({ path: entry.fullPath.slice(1), file: await fileOf(/** @type {FileSystemFileEntry} */ (entry)) });
    if (found.length > MOST) throw new Error(`These are over ${MOST} files: drop only the folder of the model.`);
  }
  return found;
}

/**
 * The files of an input element.
 * @param {FileList | null} files
 * @returns {Given[]}
 */
export const picked = (files) =>
  [...(files ?? [])].map((file) => ({ path: file.webkitRelativePath || file.name, file }));

/** @type {(entry: FileSystemFileEntry) => Promise<File>} */
const fileOf = (entry) => new Promise((resolve, reject) => entry.file(resolve, reject));

/**
 * A reader hands out the children of a folder in portions; an empty one is the last.
 * @param {FileSystemDirectoryEntry} folder
 */
async function childrenOf(folder) {
  const reader = folder.createReader();
  /** @type {FileSystemEntry[]} */
  const children = [];
  while (true) {
    /** @type {FileSystemEntry[]} */
    const portion = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!portion.length || children.length > MOST) return children;
    children.push(...portion);
  }
}
