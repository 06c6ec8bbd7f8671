// SPDX-License-Identifier: Apache-2.0
// A session of OpenAI's client for JavaScript against `lamina serve` on the demo model: node session.mjs LAMINA.
// Prints how many checks passed, as ctest does for tests, so that .ci/run can count them.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import OpenAI from 'openai';

const program = process.argv[2];
const media = new URL('../../examples/media/', import.meta.url);
const server = spawn(program, ['serve', '--port', '0', '--api-key', 'secret'], { stdio: ['ignore', 'pipe', 'inherit'] });
const [line] = await new Promise((resolve, reject) => {
  createInterface({ input: server.stdout }).once('line', (text) => resolve([text]));
  server.once('exit', (code) => reject(new Error(`the server ended with ${code}`)));
});
const baseURL = line.replace('listening on ', '') + '/v1';
const client = new OpenAI({ baseURL, apiKey: 'secret', maxRetries: 0 });
const messages = [{ role: 'user', content: 'Reverse lamina.' }];
const model = 'demo';
const clock = {
  type: 'function',
  function: {
    name: 'clock',
    strict: true,
    parameters: {
      type: 'object',
      properties: { hour: { type: 'integer', minimum: 0, maximum: 23 }, zone: { enum: ['UTC', 'CET'] } },
      required: ['hour', 'zone'],
      additionalProperties: false,
    },
  },
};

const checks = {
  'the model is listed': async () => {
    const list = await client.models.list();
    assert.equal(list.data[0].id, 'demo');
  },
  'an answer': async () => {
    const answer = await client.chat.completions.create({ model, messages, temperature: 0 });
    assert.equal(answer.choices[0].message.content, 'animal');
    assert.equal(answer.choices[0].finish_reason, 'stop');
    assert.ok(answer.usage.completion_tokens > 0);
  },
  'a stream': async () => {
    const stream = await client.chat.completions.create({
      model, messages, temperature: 0, stream: true, stream_options: { include_usage: true },
    });
    let text = '';
    let usage;
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta?.content ?? '';
      usage = chunk.usage ?? usage;
    }
    assert.equal(text, 'animal');
    assert.ok(usage.total_tokens > 0);
  },
  'a stream through the helper that joins it': async () => {
    const stream = client.chat.completions.stream({ model, messages, temperature: 0 });
    const answer = await stream.finalChatCompletion();
    assert.equal(answer.choices[0].message.content, 'animal');
  },
  'a stream that is left': async () => {
    const stream = await client.chat.completions.create({ model, messages, stream: true, temperature: 0 });
    for await (const chunk of stream) {
      assert.equal(chunk.object, 'chat.completion.chunk');
      break;
    }
    const answer = await client.chat.completions.create({ model, messages, temperature: 0 });
    assert.equal(answer.choices[0].message.content, 'animal');
  },
  'a call that must come, and how it goes on': async () => {
    const asked = await client.chat.completions.create({
      model, messages, tools: [clock], tool_choice: 'required', parallel_tool_calls: false, seed: 3,
    });
    assert.equal(asked.choices[0].finish_reason, 'tool_calls');
    const call = asked.choices[0].message.tool_calls[0];
    const { hour, zone } = JSON.parse(call.function.arguments);
    assert.ok(Number.isInteger(hour) && hour >= 0 && hour < 24 && ['UTC', 'CET'].includes(zone));
    const answer = await client.chat.completions.create({
      model,
      messages: [...messages, asked.choices[0].message, { role: 'tool', tool_call_id: call.id, content: '12:00' }],
      tools: [clock],
      max_tokens: 8,
    });
    assert.equal(answer.choices[0].message.role, 'assistant');
  },
  'a call in a stream': async () => {
    const stream = client.chat.completions.stream({
      model, messages, tools: [clock], tool_choice: { type: 'function', function: { name: 'clock' } },
      parallel_tool_calls: false,
    });
    const answer = await stream.finalChatCompletion();
    const call = answer.choices[0].message.tool_calls[0];
    assert.equal(call.function.name, 'clock');
    assert.ok('hour' in JSON.parse(call.function.arguments));
  },
  'an answer under a schema': async () => {
    const schema = {
      type: 'object',
      properties: { word: { type: 'string', maxLength: 8 }, count: { type: 'integer', minimum: 1, maximum: 5 } },
      required: ['word', 'count'],
      additionalProperties: false,
    };
    const answer = await client.chat.completions.parse({
      model, messages, temperature: 1, seed: 1,
      response_format: { type: 'json_schema', json_schema: { name: 'x', schema, strict: true } },
    });
    const { word, count } = answer.choices[0].message.parsed;
    assert.ok(word.length <= 8 && count >= 1 && count <= 5);
  },
  'a picture': async () => {
    const url = 'data:image/png;base64,' + readFileSync(new URL('digits.png', media)).toString('base64');
    const answer = await client.chat.completions.create({
      model, temperature: 0,
      messages: [{ role: 'user', content: [
        { type: 'text', text: 'Which digits do you see?' }, { type: 'image_url', image_url: { url } }] }],
    });
    assert.equal(answer.choices[0].message.content, '86287');
  },
  'log-probabilities, n, logit_bias and stop': async () => {
    const answer = await client.chat.completions.create({
      model, messages, temperature: 0, n: 2, logprobs: true, top_logprobs: 2, logit_bias: { 5: -1 }, stop: ['mal'],
    });
    assert.equal(answer.choices.length, 2);
    assert.equal(answer.choices[1].message.content, 'ani');
    assert.equal(answer.choices[0].logprobs.content[0].top_logprobs.length, 2);
  },
  'a completion': async () => {
    const answer = await client.completions.create({ model, prompt: 'a', max_tokens: 4 });
    assert.equal(answer.object, 'text_completion');
  },
  'a response': async () => {
    const answer = await client.responses.create({ model, input: 'Reverse lamina.', temperature: 0 });
    assert.equal(answer.output_text, 'animal');
    const stream = client.responses.stream({ model, input: 'Reverse lamina.', temperature: 0 });
    let text = '';
    for await (const event of stream) {
      if (event.type === 'response.output_text.delta') text += event.delta;
    }
    assert.equal(text, 'animal');
    assert.equal((await stream.finalResponse()).status, 'completed');
  },
  'a response that calls': async () => {
    const answer = await client.responses.create({
      model, input: 'x', tools: [{ type: 'function', ...clock.function }], tool_choice: 'required',
      parallel_tool_calls: false,
    });
    assert.equal(answer.output[0].type, 'function_call');
    assert.ok('zone' in JSON.parse(answer.output[0].arguments));
  },
  'a wrong value': async () => {
    await assert.rejects(client.chat.completions.create({ model, messages, temperature: -1 }), (error) => {
      assert.ok(error instanceof OpenAI.BadRequestError);
      assert.equal(error.param, 'temperature');
      return true;
    });
  },
  'a wrong key': async () => {
    const stranger = new OpenAI({ baseURL, apiKey: 'wrong', maxRetries: 0 });
    await assert.rejects(stranger.chat.completions.create({ model, messages }), OpenAI.AuthenticationError);
  },
};

let failed = 0;
for (const [name, check] of Object.entries(checks)) {
  try {
    await check();
  } catch (error) {
    failed += 1;
    console.error(`FAILED ${name}: ${error.stack}`);
  }
}
server.removeAllListeners('exit');
const code = await new Promise((resolve) => {
  server.once('exit', resolve);
  server.kill('SIGTERM');
});
if (code !== 0) {
  failed += 1;
  console.error(`FAILED the server ends: exit code ${code}`);
}
const total = Object.keys(checks).length + 1;
console.log(`${failed} tests failed out of ${total}`);
process.exit(failed === 0 ? 0 : 1);
