/**
 * Reads zip files, which put files end to end and list them in a directory at the end. The format is described in
 * PKWARE's APPNOTE.TXT. Only the files that a model needs are unpacked, and never more than the directory announces.
 */
import { crc32 } from "./crc32.mjs";

const [END, ENTRY, LOCAL] = [0x06054b50, 0x02014b50, 0x04034b50]; // what each kind of record begins with
const LONGEST_END = 22 + 65535; // bytes of the last record, with the longest comment
const MOST_FILES = 10_000;
const MOST_BYTES = 8e9; // unpacked

/** @typedef {{ path: string, method: number, crc: number, packed: number, size: number, at: number }} Member */

const damaged = () => new Error("The zip file is damaged or truncated: make or download it again.");

/** @type {(blob: Blob, start: number, end: number) => Promise<DataView>} */
const view = async (blob, start, end) => new DataView(await blob.slice(start, end).arrayBuffer());

/**
 * What a zip file contains.
 * @param {Blob} zip
 * @returns {Promise<Member[]>}
 */
async function membersOf(zip) {
  const tail = await view(zip, Math.max(0, zip.size - LONGEST_END), zip.size);
  let at = tail.byteLength - 22;
  while (at >= 0 && tail.getUint32(at, true) !== END) at--;
  if (at < 0) throw damaged();
  const [count, length, start] = [
    tail.getUint16(at + 10, true),
    tail.getUint32(at + 12, true),
    tail.getUint32(at + 16, true),
  ];
  if (count === 0xffff || start === 0xffffffff) throw new Error("The zip file is too large to read: drop the folder.");
  if (count > MOST_FILES)
    throw new Error(`The zip file has ${count} files, more than a model’s folder: drop the folder.`);
  if (start + length > zip.size) throw damaged();
  const directory = await view(zip, start, start + length);
  /** @type {Member[]} */
  const members = [];
  let total = 0;
  for (let i = 0, from = 0; i < count; i++) {
    if (from + 46 > length || directory.getUint32(from, true) !== ENTRY) throw damaged();
    const [nameLength, extra, comment] = [28, 30, 32].map((offset) => directory.getUint16(from + offset, true));
    if (from + 46 + nameLength > length) throw damaged();
    const path = new TextDecoder().decode(new Uint8Array(directory.buffer, from + 46, nameLength));
    if (path.startsWith("/") || path.includes("\\") || path.split("/").includes("..")) {
      throw new Error(`The zip file has a file outside its folder, “${path.slice(0, 60)}”: drop the folder itself.`);
    }
    if (directory.getUint16(from + 8, true) & 1) throw new Error("The zip file is encrypted: drop the folder itself.");
    const [crc, packed, size, offset] = [16, 20, 24, 42].map((offset) => directory.getUint32(from + offset, true));
    members.push({ path, method: directory.getUint16(from + 10, true), crc, packed, size, at: offset });
    total += size;
    from += 46 + nameLength + extra + comment;
  }
  if (total > MOST_BYTES) throw new Error("The zip file unpacks to over 8 GB, more than a page can open.");
  return members;
}

/**
 * One file, unpacked. Unpacking stops as soon as there is more than the directory announced.
 * @param {Blob} zip
 * @param {Member} member
 */
async function unpack(zip, { path, method, crc, packed, size, at }) {
  const local = await view(zip, at, at + 30);
  if (local.byteLength < 30 || local.getUint32(0, true) !== LOCAL) throw damaged();
  const start = at + 30 + local.getUint16(26, true) + local.getUint16(28, true);
  const raw = zip.slice(start, start + packed);
  if (raw.size !== packed) throw damaged();
  if (method !== 0 && method !== 8)
    throw new Error(`${path} in the zip file is packed in a way that only zip programs read.`);
  const stream = method === 0 ? raw.stream() : raw.stream().pipeThrough(new DecompressionStream("deflate-raw"));
  const reader = stream.getReader();
  /** @type {Blob[]} */
  const parts = [];
  let [sum, found] = [0, 0];
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      found += part.value.length;
      if (found > size) break;
      sum = crc32(part.value, sum);
      if (method === 8) parts.push(new Blob([part.value])); // a browser can move blobs out of memory
    }
  } catch {
    throw damaged();
  } finally {
    reader.cancel().catch(() => {});
  }
  if (found !== size || sum !== crc) throw damaged();
  return method === 0 ? raw : new Blob(parts);
}

/**
 * The files in a zip file whose path `wanted` accepts.
 * @param {Blob} zip
 * @param {(path: string) => boolean} wanted
 * @returns {Promise<Map<string, Blob>>}
 */
export async function unzip(zip, wanted) {
  /** @type {Map<string, Blob>} */
  const files = new Map();
  for (const member of await membersOf(zip)) {
    if (wanted(member.path)) files.set(member.path, await unpack(zip, member));
  }
  return files;
}
