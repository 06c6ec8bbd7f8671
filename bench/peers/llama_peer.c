// SPDX-License-Identifier: Apache-2.0
// Drives mainline llama.cpp through its C interface, for bench/peers/run.py. Compiled at run time against the headers of
// the release that the npm package node-llama-cpp brings.
//
//   llama_peer LIBRARIES MODEL THREADS bench TEST,TEST,...    a test is p512 (prompt), n128 (decoding one by one) or
//                                                             n32x8 (8 sequences together), with @4096 behind it after
//                                                             that many tokens; a JSON line
//   llama_peer LIBRARIES MODEL THREADS logits ID,ID,... FILE  float32 logits of all tokens [n, vocabulary] into FILE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ggml-backend.h"
#include "llama.h"

enum { batch_tokens = 2048, micro_batch_tokens = 512, most_ids = 4096, most_sequences = 256 };

struct test {
  char kind;  // 'p' or 'n'
  int tokens;
  int sequences;
  int depth;
};

static struct llama_model* model;
static struct llama_context* context;
static int threads;
static int vocabulary;
static int position;
static unsigned random_state = 1;

static double seconds_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void print_errors_only(enum ggml_log_level level, const char* text, void* user) {
  (void)user;
  if (level == GGML_LOG_LEVEL_ERROR) fputs(text, stderr);
}

static int fail(const char* what) {
  fprintf(stderr, "llama_peer: %s\n", what);
  return 1;
}

// A context for so many sequences, of so many tokens each, in place of the one that was there. Returns 0 when done.
static int open_context(int sequences, int tokens_each) {
  if (context) llama_free(context);
  position = 0;
  struct llama_context_params parameters = llama_context_default_params();
  parameters.n_ctx = (unsigned)(sequences * ((tokens_each + 255) / 256 * 256));
  parameters.n_seq_max = (unsigned)sequences;
  parameters.n_batch = batch_tokens;
  parameters.n_ubatch = micro_batch_tokens;
  parameters.n_threads = parameters.n_threads_batch = threads;
  parameters.swa_full = false;
  context = llama_init_from_model(model, parameters);
  return context == NULL;
}

static llama_token random_token(void) {
  random_state = random_state * 1664525u + 1013904223u;
  return position == 0 ? 2 : (llama_token)((random_state >> 8) % (unsigned)vocabulary);
}

// Feeds tokens after what is there; with_logits: of all of them, else of the last. Returns 0 when done.
static int feed(const llama_token* tokens, int count, int with_logits) {
  struct llama_batch batch = llama_batch_init(count, 0, 1);
  batch.n_tokens = count;
  for (int i = 0; i < count; i++) {
    batch.token[i] = tokens[i];
    batch.pos[i] = position + i;
    batch.n_seq_id[i] = 1;
    batch.seq_id[i][0] = 0;
    batch.logits[i] = (int8_t)(with_logits || i == count - 1);
  }
  const int status = llama_decode(context, batch);
  llama_synchronize(context);
  llama_batch_free(batch);
  position += count;
  return status;
}

static int feed_random(int count, int at_once) {
  llama_token tokens[batch_tokens];
  while (count > 0) {
    const int n = count < at_once ? count : at_once;
    for (int i = 0; i < n; i++) {
      tokens[i] = random_token();
      if (position == 0 && i > 0 && tokens[i] == 2) tokens[i] = 3 + i;
    }
    if (feed(tokens, n, 0)) return 1;
    count -= n;
  }
  return 0;
}

// One token for each of so many sequences, at the same position of all, in one batch.
static int step_together(int sequences) {
  struct llama_batch batch = llama_batch_init(sequences, 0, 1);
  batch.n_tokens = sequences;
  for (int i = 0; i < sequences; i++) {
    batch.token[i] = random_token();
    batch.pos[i] = position;
    batch.n_seq_id[i] = 1;
    batch.seq_id[i][0] = i;
    batch.logits[i] = 1;
  }
  const int status = llama_decode(context, batch);
  llama_synchronize(context);
  llama_batch_free(batch);
  position++;
  return status;
}

static void forget(void) {
  llama_memory_clear(llama_get_memory(context), true);
  position = 0;
}

// Reads "p512,n32x8,n64@4096"; returns the number of tests.
static int parse_tests(const char* text, struct test* tests, int most) {
  int count = 0;
  while (count < most) {
    struct test* test = &tests[count++];
    test->depth = 0;
    test->sequences = 1;
    int read = 0;
    if (sscanf(text, "%c%d%n", &test->kind, &test->tokens, &read) < 2) return 0;
    text += read;
    if (*text == 'x' && sscanf(text, "x%d%n", &test->sequences, &read) == 1) text += read;
    if (*text == '@' && sscanf(text, "@%d%n", &test->depth, &read) == 1) text += read;
    if (test->sequences < 1 || test->sequences > most_sequences) return 0;
    text = strchr(text, ',');
    if (!text) return count;
    text++;
  }
  return count;
}

// Tokens per second of sequences that decode together in a context of their own: they share what was read before, and
// take one step to warm up. Not positive: it failed.
static double measure_together(const struct test* test) {
  if (open_context(test->sequences, test->depth + test->tokens + 1)) return 0;
  if (feed_random(test->depth, batch_tokens)) return 0;
  for (int i = 1; i < test->sequences && test->depth > 0; i++)
    llama_memory_seq_cp(llama_get_memory(context), 0, i, -1, -1);
  if (step_together(test->sequences)) return 0;
  const double start = seconds_now();
  for (int i = 0; i < test->tokens; i++) {
    if (step_together(test->sequences)) return 0;
  }
  return (double)test->tokens * test->sequences / (seconds_now() - start);
}

static int run_tests(const struct test* tests, int count, int tokens_each) {
  // As in bench_model: memory that a prompt of this length works on is touched before one is timed.
  int warm_up = 32;
  for (int i = 0; i < count; i++) {
    if (tests[i].kind == 'p' && tests[i].tokens > warm_up) warm_up = tests[i].tokens;
  }
  if (feed_random(warm_up < 512 ? warm_up : 512, batch_tokens)) return fail("warm-up failed");
  for (int i = 0; i < count; i++) {
    const int is_prefill = tests[i].kind == 'p';
    const int is_alone = tests[i].sequences == 1;
    char name[32] = "decode";
    double speed = 0;
    if (!is_alone) {
      snprintf(name, sizeof name, "n%dx%d", tests[i].tokens, tests[i].sequences);
      speed = measure_together(&tests[i]);
      if (speed <= 0) return fail("decoding together failed");
      if (i + 1 < count && open_context(1, tokens_each)) return fail("no context can be made");
    } else {
      if (is_prefill) strcpy(name, "prefill");
      if (tests[i].depth == 0 || position > tests[i].depth) forget();
      if (feed_random(tests[i].depth - position, batch_tokens)) return fail("feeding the context failed");
      const double start = seconds_now();
      if (feed_random(tests[i].tokens, is_prefill ? batch_tokens : 1)) return fail("decoding failed");
      speed = tests[i].tokens / (seconds_now() - start);
    }
    printf("{\"test\":\"%s\",\"tokens\":%d,\"depth\":%d,\"threads\":%d,\"tokens_per_s\":%.4f}\n", name, tests[i].tokens,
           tests[i].depth, threads, speed);
    fflush(stdout);
  }
  return 0;
}

static int write_logits(char* ids, const char* path) {
  static llama_token tokens[most_ids];
  int count = 0;
  for (char* id = strtok(ids, ","); id && count < most_ids; id = strtok(NULL, ",")) tokens[count++] = atoi(id);
  if (feed(tokens, count, 1)) return fail("decoding failed");
  FILE* file = fopen(path, "wb");
  if (!file) return fail("the file for the logits cannot be created");
  for (int i = 0; i < count; i++) fwrite(llama_get_logits_ith(context, i), sizeof(float), (size_t)vocabulary, file);
  return fclose(file) ? fail("writing the logits failed") : 0;
}

int main(int argument_count, char** arguments) {
  if (argument_count < 6) return 2;
  threads = atoi(arguments[3]);
  const int is_bench = !strcmp(arguments[4], "bench");
  if (!is_bench && argument_count < 7) return 2;
  struct test tests[64];
  const int test_count = is_bench ? parse_tests(arguments[5], tests, 64) : 0;
  if (is_bench && test_count == 0) return 2;
  int needed = most_ids;
  for (int i = 0; i < test_count; i++) {
    const int end = tests[i].depth + tests[i].tokens;
    if (tests[i].sequences == 1 && end > needed) needed = end;
  }

  llama_log_set(print_errors_only, NULL);
  ggml_backend_load_all_from_path(arguments[1]);
  llama_backend_init();
  model = llama_model_load_from_file(arguments[2], llama_model_default_params());
  if (!model) return fail("the model cannot be loaded");
  if (open_context(1, needed)) return fail("no context can be made");
  vocabulary = llama_vocab_n_tokens(llama_model_get_vocab(model));
  return is_bench ? run_tests(tests, test_count, needed) : write_logits(arguments[5], arguments[6]);
}
