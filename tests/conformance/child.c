/*
 * Children that cases start: this program, started anew with --child and what it is to do.
 *
 *     exit:N   ends with N
 *     cat      copies its input to its output
 *     deaf     the same, behind an "r"; CEDE_KILL_ASK does not end it
 *     tell     writes what it was started with
 *     big:N    writes N bytes of key 9
 *     both     writes three times "o", and "e" to its error behind each
 *     handles  writes how many it has
 *     own B    copies its input to its output, by a loop of backend B
 *     pass B W starts a child W by such a loop, with its own streams, and ends as that one did
 *     group    ends with 1 if it leads a group of its own, else with 0
 *
 * Each that is there for longer ends when its standard input has ended, so that none outlives its
 * case.
 */
#include "inner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t put(char *out, size_t room, size_t used, const char *before, const char *text,
                  size_t length, const char *after)
{
    if (used < room)
        (void)snprintf(out + used, room - used, "%s%.*s%s", before, (int)length, text, after);
    return used + strlen(before) + length + strlen(after);
}

size_t cft_child_told(const char *const *words, const char *const *environment,
                      const char *directory, char *out, size_t room)
{
    size_t used = 0;
    for (; words && *words; words++)
        used = put(out, room, used, "[", *words, strlen(*words), "]\n");
    for (const char *const *one = environment; one && *one; one++) {
        if (strncmp(*one, "CEDE_T_", 7) == 0)
            used = put(out, room, used, "{", *one, strlen(*one), "}\n");
    }
    if (directory) {
        const char *name = directory + strlen(directory);
        while (name > directory && name[-1] != '/' && name[-1] != '\\')
            name--;
        used = put(out, room, used, "<", name, strlen(name), ">\n");
    }
    return used;
}

static void write_out(const void *bytes, size_t count)
{
    if (fwrite(bytes, 1, count, stdout) != count || fflush(stdout) != 0)
        exit(3);
}

static void copy_input(bool to_output)
{
    char bytes[4096];
    size_t got;
    while ((got = cft_os_input(bytes, sizeof bytes)) > 0) {
        if (to_output)
            write_out(bytes, got);
    }
}

static void write_much(size_t count)
{
    char bytes[4096];
    for (size_t done = 0; done < count; done += sizeof bytes) {
        size_t part = count - done < sizeof bytes ? count - done : sizeof bytes;
        cft_fill(bytes, part, 9, done);
        write_out(bytes, part);
    }
}

static void write_both(void)
{
    for (uint32_t i = 0; i < 3; i++) {
        write_out("o", 1);
        if (fputc('e', stderr) == EOF || fflush(stderr) != 0)
            exit(3);
    }
}

static void tell(const char *const *words)
{
    char text[8192], directory[1024];
    const char *const *environment = cft_os_environment();
    size_t bytes = cft_child_told(words, environment, cft_os_directory(directory, sizeof directory),
                                  text, sizeof text);
    write_out(text, bytes < sizeof text ? bytes : sizeof text - 1);
}

int cft_quit(int code)
{
    fflush(NULL);
    _Exit(code);
}

/* A child without a loop. */
static int be_plain(const char *what, const char *const *words)
{
    bool copies = false;
    if (strncmp(what, "exit:", 5) == 0)
        return atoi(what + 5);
    if (strcmp(what, "group") == 0)
        return cft_os_leads_a_group();
    if (strcmp(what, "cat") == 0) {
        copies = true;
    } else if (strcmp(what, "deaf") == 0) {
        copies = true;
        cft_os_ignore_asks();
        write_out("r", 1);
    } else if (strcmp(what, "tell") == 0) {
        tell(words + 1);
    } else if (strncmp(what, "big:", 4) == 0) {
        write_much((size_t)strtoull(what + 4, NULL, 10));
    } else if (strcmp(what, "both") == 0) {
        write_both();
    } else if (strcmp(what, "handles") == 0) {
        char text[16];
        (void)snprintf(text, sizeof text, "%u", cft_os_handles());
        write_out(text, strlen(text));
    } else {
        return 2;
    }
    copy_input(copies);
    return 0;
}

int cft_child_main(const char *const *words)
{
    const char *what = words[0] ? words[0] : "";
    if (strcmp(what, "own") == 0 && words[1])
        return cft_child_own(words[1]);
    if (strcmp(what, "pass") == 0 && words[1])
        return cft_child_pass(words[1], words + 2);
    return cft_quit(be_plain(what, words));
}
