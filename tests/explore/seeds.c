/*
 * Random programs: one for each seed, in a world of its own.
 *
 *     explore-seeds [--first N] [--count N]   runs programs; the first that fails is shrunk
 *     explore-seeds --seed N                  says and runs one, with all that happens
 *     explore-seeds --hex DIGITS              the same for a program's bytes
 *     explore-seeds --kill                    for the table of mutants: only how many it took
 */
#include "explore.h"

#include <sys/resource.h>

static double cpu_seconds(void)
{
    double sum = 0;
    const int whose[2] = {RUSAGE_SELF, RUSAGE_CHILDREN};
    for (int i = 0; i < 2; i++) {
        struct rusage used;
        (void)getrusage(whose[i], &used);
        sum += (double)used.ru_utime.tv_sec + (double)used.ru_stime.tv_sec +
               (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
    }
    return sum;
}

static int show(const program *p)
{
    program_print(p, stdout);
    explore_trace = stdout;
    (void)setvbuf(stdout, NULL, _IONBF, 0);
    verdict v = child_try(p);
    puts(v.failed ? v.said : "all is well");
    return v.failed;
}

/* A program as explore-seeds prints it: two digits a byte. */
static int show_hex(const char *text)
{
    uint8_t bytes[BYTES_MOST];
    size_t count = 0;
    static program p;
    unsigned byte;
    for (; count < sizeof bytes && sscanf(text, "%2x", &byte) == 1 && text[1]; text += 2)
        bytes[count++] = (uint8_t)byte;
    program_from_bytes(&p, bytes, count);
    return show(&p);
}

static void print_hex(const program *p)
{
    uint8_t bytes[BYTES_MOST];
    size_t count = program_to_bytes(p, bytes);
    for (size_t i = 0; i < count; i++)
        printf("%02x", bytes[i]);
    putchar('\n');
}

static void tell(uint64_t seed, verdict v, bool short_form)
{
    static program p;
    unsigned tries = 0;
    program_from_seed(&p, seed);
    if (!short_form) {
        printf("seed %" PRIu64 " fails: %s\n", seed, v.said);
        printf("again: explore-seeds --seed %" PRIu64 "\n", seed);
    }
    program least = shrink(&p, &v, &tries);
    if (short_form) {
        printf("%" PRIu32 " actions: %s\n", least.count, v.said);
        return;
    }
    printf("the shortest program that fails, of %" PRIu32 " actions, found in %u runs:\n\n",
           least.count, tries);
    program_print(&least, stdout);
    printf("\n%s\nagain: explore-seeds --hex ", v.said);
    print_hex(&least);
}

int main(int argc, char **argv)
{
    uint64_t first = 1, count = 10000;
    bool kill_form = false;
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "0";
        if (strcmp(argv[i], "--kill") == 0) {
            kill_form = true;
            continue;
        }
        if (strcmp(argv[i], "--hex") == 0)
            return show_hex(value);
        if (strcmp(argv[i], "--seed") == 0) {
            static program p;
            program_from_seed(&p, strtoull(value, NULL, 0));
            return show(&p);
        }
        if (strcmp(argv[i], "--first") == 0)
            first = strtoull(value, NULL, 0);
        else if (strcmp(argv[i], "--count") == 0)
            count = strtoull(value, NULL, 0);
        else
            return 2;
        i++;
    }
    verdict v;
    uint64_t at = child_seeds(first, first + count, &v);
    if (v.failed) {
        if (kill_form)
            printf("%" PRIu64 " seeds, ", at - first + 1);
        tell(at, v, kill_form);
        return 1;
    }
    printf("%" PRIu64 " programs, seeds %" PRIu64 " to %" PRIu64 ": all is well, %.1f s of CPU\n",
           count, first, first + count - 1, cpu_seconds());
    return 0;
}
