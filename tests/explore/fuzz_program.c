/*
 * libFuzzer on programs: its bytes are a program (program.c), and every string of bytes is one. The
 * mutator knows where an action begins, so that it can move, repeat and exchange whole ones.
 */
#include "explore.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most); /* libFuzzer's own */

static program p;

static void say(const char *text)
{
    fprintf(stderr, "%s\n", text);
    program_print(&p, stderr);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    stage_allocator();
    explore_broken = say;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    program_from_bytes(&p, data, size);
    program_run(&p, NULL);
    return 0;
}

static void insert(program *q, uint32_t at, action a)
{
    if (q->count == ACTIONS_MOST)
        return;
    for (uint32_t i = q->count++; i > at; i--)
        q->action[i] = q->action[i - 1];
    q->action[at] = a;
}

static void take_away(program *q, uint32_t at)
{
    for (uint32_t i = at + 1; i < q->count; i++)
        q->action[i - 1] = q->action[i];
    q->count--;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed)
{
    static program q, other;
    program_from_bytes(&q, data, size);
    if (most < BYTES_MOST || q.count == 0 || seed % 8 < 3)
        return LLVMFuzzerMutate(data, size, most);
    program_from_seed(&other, seed);
    uint32_t from = seed / 64 % q.count, to = seed / 4096 % q.count;
    action a = q.action[from];
    switch (seed % 8) {
    case 3:
        take_away(&q, from);
        break;
    case 4:
        insert(&q, to, a);
        break;
    case 5:
        q.action[from] = q.action[to];
        q.action[to] = a;
        break;
    default:
        insert(&q, to, other.action[from % other.count]);
        break;
    }
    return program_to_bytes(&q, data);
}
