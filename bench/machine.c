/*
 * Asks the machine and the linked libraries what they are. Main thread.
 */
#include "bench.h"

#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include <cede/cede.h>
#include <event2/event.h>
#include <uv.h>

#include "machine.h"

/* The rest of the first line in a file of /proc that contains `word`, behind `after`. */
static void line_of(const char *path, const char *word, const char *after, char *out, size_t bytes)
{
    char line[1024];
    FILE *file = fopen(path, "r");
    snprintf(out, bytes, "unknown");
    while (file && fgets(line, sizeof line, file)) {
        const char *at = strstr(line, word) ? strstr(line, after) : NULL;
        if (at) {
            at += strlen(after);
            at += strspn(at, " \t");
            snprintf(out, bytes, "%.*s", (int)strcspn(at, "\n"), at);
            break;
        }
    }
    if (file) {
        fclose(file);
    }
}

static void name_file_system(const char *dir, char *out, size_t bytes)
{
    static const struct {
        unsigned long magic;
        const char *name;
    } known[] = {{0xef53, "ext2/3/4"},  {0x58465342, "xfs"},     {0x9123683e, "btrfs"},
                 {0x01021994, "tmpfs"}, {0x794c7630, "overlay"}, {0x2fc12fc1, "zfs"},
                 {0xf2f52010, "f2fs"}};
    struct statfs about;
    snprintf(out, bytes, "unknown");
    for (unsigned i = 0; statfs(dir, &about) == 0 && i < sizeof known / sizeof known[0]; i++) {
        if ((unsigned long)about.f_type == known[i].magic) {
            snprintf(out, bytes, "%s", known[i].name);
        }
    }
}

static double first_load = -1;

void bench_look_at_machine(bench_machine *machine, const char *dir)
{
    struct utsname about;
    time_t now = time(NULL);

    if (first_load < 0 && getloadavg(&first_load, 1) != 1) {
        first_load = 0;
    }
    *machine = (bench_machine){.processors = sysconf(_SC_NPROCESSORS_ONLN)};
    line_of("/proc/cpuinfo", "model name", ":", machine->processor, sizeof machine->processor);
    machine->memory_gib =
        (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE) / (1024.0 * 1024 * 1024);
    machine->load = first_load;
    uname(&about);
    snprintf(machine->kernel, sizeof machine->kernel, "%s %s", about.sysname, about.release);
    name_file_system(dir, machine->file_system, sizeof machine->file_system);
    strftime(machine->when, sizeof machine->when, "%Y-%m-%dT%H:%M:%SZ", gmtime(&now));

#if defined(__clang__)
    snprintf(machine->compiler, sizeof machine->compiler, "clang %s", __clang_version__);
#else
    snprintf(machine->compiler, sizeof machine->compiler, "gcc %s", __VERSION__);
#endif
    /* liburing 2.3 has no version to ask for; the file's name has. */
    line_of("/proc/self/maps", "/liburing.so", "/liburing.so.", machine->liburing,
            sizeof machine->liburing);
    snprintf(machine->libuv, sizeof machine->libuv, "%s", uv_version_string());
    snprintf(machine->libevent, sizeof machine->libevent, "%s", event_get_version());
    uint32_t version = cede_version();
    snprintf(machine->cede, sizeof machine->cede, "%u.%u.%u%s", version / 1000000,
             version / 1000 % 1000, version % 1000, cede_is_checked() ? " (checked build)" : "");
}
