// SPDX-License-Identifier: Apache-2.0
// The microphone: samples of 16 kHz, as a WAV file at the end.
import { dataUrl, soundRate, wavFile } from "./media.js";

const mostSeconds = 300;

/** One recording. */
export class Recorder {
  /**
   * @param {MediaStream} stream
   * @param {AudioContext} context
   * @param {() => void} full  called when no more is taken
   */
  constructor(stream, context, full) {
    this.stream = stream;
    this.context = context;
    /** @type {Float32Array[]} */
    this.chunks = [];
    this.length = 0;
    const node = new AudioWorkletNode(context, "samples", { numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit" });
    node.port.onmessage = ({ data }) => {
      if (this.seconds >= mostSeconds) return full();
      this.chunks.push(data);
      this.length += data.length;
    };
    context.createMediaStreamSource(stream).connect(node);
  }

  get seconds() {
    return this.length / soundRate;
  }

  /** @param {() => void} full */
  static async start(full) {
    if (!navigator.mediaDevices?.getUserMedia)
      throw new Error("Browsers give the microphone only to pages from this machine (localhost) or over https.");
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1, sampleRate: soundRate } });
    } catch (cause) {
      throw new Error(`The microphone cannot be used: ${cause instanceof Error ? cause.message : cause}`);
    }
    const context = new AudioContext({ sampleRate: soundRate });
    await context.audioWorklet.addModule("/recorder_worklet.js");
    return new Recorder(stream, context, full);
  }

  /** @returns {Promise<import("./tree.js").Attachment>} */
  async stop() {
    for (const track of this.stream.getTracks()) track.stop();
    await this.context.close();
    const samples = new Float32Array(this.length);
    let at = 0;
    for (const chunk of this.chunks) {
      samples.set(chunk, at);
      at += chunk.length;
    }
    const url = await dataUrl(wavFile(samples, soundRate));
    return { kind: "audio", url, name: `Recording of ${this.seconds.toFixed(1)} s` };
  }
}
