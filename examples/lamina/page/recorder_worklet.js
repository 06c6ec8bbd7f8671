// SPDX-License-Identifier: Apache-2.0
// Hands the microphone's samples to the page, a fifth of a second at a time.
class Samples extends AudioWorkletProcessor {
  constructor() {
    super();
    this.block = new Float32Array(3200);
    this.filled = 0;
  }

  /** @param {Float32Array[][]} inputs */
  process(inputs) {
    for (const sample of inputs[0][0] ?? []) {
      this.block[this.filled] = sample;
      this.filled += 1;
      if (this.filled === this.block.length) {
        this.port.postMessage(this.block.slice());
        this.filled = 0;
      }
    }
    return true;
  }
}

registerProcessor("samples", Samples);
