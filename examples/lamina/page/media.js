// SPDX-License-Identifier: Apache-2.0
// Pictures and sounds of the user as data URLs: pictures as they are where the server reads them, sounds as WAV files of
// one channel and 16 kHz.

/** @typedef {import("./tree.js").Attachment} Attachment */

export const soundRate = 16000;
const readTypes = ["image/png", "image/jpeg", "image/gif", "image/bmp"];
const mostBytes = 4e6;
const mostSide = 2048;

/** @param {Blob} blob @returns {Promise<string>} */
export function dataUrl(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}

/**
 * Pictures that the server cannot read, or that are very large, are drawn again.
 * @param {Blob} blob
 * @returns {Promise<Blob>}
 */
async function readablePicture(blob) {
  if (readTypes.includes(blob.type) && blob.size <= mostBytes) return blob;
  const bitmap = await createImageBitmap(blob);
  const scale = Math.min(1, mostSide / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  const drawing = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  drawing.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  const type = blob.type === "image/jpeg" ? "image/jpeg" : "image/png";
  return new Promise((resolve, reject) =>
    canvas.toBlob((made) => (made ? resolve(made) : reject(new Error("the picture is too large"))), type, 0.92));
}

/**
 * A WAV file of 16 bits a sample.
 * @param {Float32Array} samples
 * @param {number} rate
 * @returns {Blob}
 */
export function wavFile(samples, rate) {
  const view = new DataView(new ArrayBuffer(44 + 2 * samples.length));
  const word = (/** @type {number} */ at, /** @type {string} */ letters) =>
    Array.from(letters).forEach((letter, i) => view.setUint8(at + i, letter.charCodeAt(0)));
  word(0, "RIFF");
  view.setUint32(4, 36 + 2 * samples.length, true);
  word(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, rate, true);
  view.setUint32(28, 2 * rate, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  word(36, "data");
  view.setUint32(40, 2 * samples.length, true);
  for (let i = 0; i < samples.length; ++i) {
    const sample = Math.max(-1, Math.min(1, samples[i]));
    view.setInt16(44 + 2 * i, Math.round(sample * 32767), true);
  }
  return new Blob([view.buffer], { type: "audio/wav" });
}

/**
 * Decodes whatever the browser can, at 16 kHz, as the mean of its channels.
 * @param {Blob} blob
 * @returns {Promise<Blob>}
 */
async function plainSound(blob) {
  const decoded = await new OfflineAudioContext(1, 1, soundRate).decodeAudioData(await blob.arrayBuffer());
  const mean = new Float32Array(decoded.length);
  for (let channel = 0; channel < decoded.numberOfChannels; ++channel) {
    const samples = decoded.getChannelData(channel);
    for (let i = 0; i < mean.length; ++i) mean[i] += samples[i] / decoded.numberOfChannels;
  }
  return wavFile(mean, soundRate);
}

/**
 * @param {File} file
 * @returns {Promise<Attachment>}
 */
export async function attachmentOf(file) {
  const isPicture = file.type.startsWith("image/");
  if (!isPicture && !file.type.startsWith("audio/") && !file.type.startsWith("video/"))
    throw new Error(`${file.name}: only pictures and sounds can be attached`);
  try {
    const blob = isPicture ? await readablePicture(file) : await plainSound(file);
    return { kind: isPicture ? "image" : "audio", url: await dataUrl(blob), name: file.name };
  } catch {
    throw new Error(`${file.name}: the browser cannot read this ${isPicture ? "picture" : "sound"}`);
  }
}
