/* See options.h. */
#include "options.h"
#include "conformance.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void usage(void)
{
    fputs("usage: cede-conformance [options]\n"
          "  --list               the cases, with law, backends, schedules and sentence\n"
          "  --backend NAME       only this backend (pattern)\n"
          "  --case NAME          only these cases (pattern: * and ?, or several: A,B)\n"
          "  --schedule Sn[/v[/k]]  only this schedule, variant, failing call or closing step\n"
          "  --without Sn[,Sm..]  these schedules are left out\n"
          "  --seed N             where the seeds start (1)\n"
          "  --repeat N           so many rounds, each from another seed\n"
          "  --limit SECONDS      for one run (30; CEDE_CONFORMANCE_LIMIT)\n"
          "  --every N            a slice: of the failing calls of S9, the closing steps of S12,\n"
          "                       the seeds of S5, S10, S11; each Nth, from another one on\n"
          "                       in each case; and of each Nth case every order\n"
          "  --turns N            a slice: of the schedules but S0 and S9 each Nth, from another\n"
          "                       one on in each case, and with each seed: N seeds see all\n"
          "  --tap                Test Anything Protocol on standard output\n"
          "  --junit FILE         JUnit XML\n"
          "  --verbose            each run and each callback\n"
          "  --no-fork            in this process: many cases sooner, or one in a debugger\n"
          "Exit status: 0, 1 if anything failed, 77 if everything was skipped.\n",
          stderr);
}

static bool parse_schedule(cft_settings *set, const char *text)
{
    char *rest = NULL;
    if (*text != 'S' && *text != 's')
        return false;
    set->only_schedule = (uint32_t)strtoul(text + 1, &rest, 10);
    if (*rest == '/') {
        set->only_variant = true;
        set->variant = (uint32_t)strtoul(rest + 1, &rest, 10);
        if (*rest == '/')
            set->k = strtoull(rest + 1, &rest, 10);
    }
    return *rest == '\0' && set->only_schedule < CFT_SCHEDULES;
}

static bool parse_without(cft_settings *set, const char *text)
{
    for (;;) {
        char *rest = NULL;
        unsigned long number;
        if (*text != 'S' && *text != 's')
            return false;
        number = strtoul(text + 1, &rest, 10);
        if (rest == text + 1 || number >= CFT_SCHEDULES)
            return false;
        set->without |= CFT_SCHEDULE(number);
        if (*rest != ',')
            return *rest == '\0';
        text = rest + 1;
    }
}

static bool parse(cft_settings *set, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *option = argv[i];
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(option, "--list") == 0) {
            set->list = true;
        } else if (strcmp(option, "--tap") == 0) {
            set->tap = true;
        } else if (strcmp(option, "--verbose") == 0) {
            set->verbose = true;
        } else if (strcmp(option, "--no-fork") == 0) {
            set->fork = false;
        } else if (!value) {
            return false;
        } else if (strcmp(option, "--backend") == 0) {
            set->backend = argv[++i];
        } else if (strcmp(option, "--case") == 0) {
            set->pattern = argv[++i];
        } else if (strcmp(option, "--schedule") == 0) {
            if (!parse_schedule(set, argv[++i]))
                return false;
        } else if (strcmp(option, "--without") == 0) {
            if (!parse_without(set, argv[++i]))
                return false;
        } else if (strcmp(option, "--seed") == 0) {
            set->seed = strtoull(argv[++i], NULL, 0);
        } else if (strcmp(option, "--repeat") == 0) {
            set->repeat = (uint32_t)strtoul(argv[++i], NULL, 10);
        } else if (strcmp(option, "--limit") == 0) {
            set->limit_seconds = (uint32_t)strtoul(argv[++i], NULL, 10);
        } else if (strcmp(option, "--every") == 0) {
            set->every = (uint32_t)strtoul(argv[++i], NULL, 10);
        } else if (strcmp(option, "--turns") == 0) {
            set->turns = (uint32_t)strtoul(argv[++i], NULL, 10);
        } else if (strcmp(option, "--junit") == 0) {
            set->junit = argv[++i];
        } else if (strcmp(option, "--board") == 0) {
            set->board = argv[++i];
        } else if (strcmp(option, "--trial") == 0) {
            set->trial = (uint32_t)strtoul(argv[++i], NULL, 10);
        } else {
            return false;
        }
    }
    return set->limit_seconds > 0 && set->repeat > 0 && set->every > 0 && set->turns > 0;
}

bool cft_parse(cft_settings *set, int argc, char **argv)
{
    const char *limit = getenv("CEDE_CONFORMANCE_LIMIT");
    *set = (cft_settings){.pattern = "*",
                          .only_schedule = CFT_SCHEDULES,
                          .seed = 1,
                          .repeat = 1,
                          .every = 1,
                          .turns = 1,
                          .limit_seconds = limit ? (uint32_t)strtoul(limit, NULL, 10) : 30,
                          .fork = true};
    if (parse(set, argc, argv))
        return true;
    usage();
    return false;
}
