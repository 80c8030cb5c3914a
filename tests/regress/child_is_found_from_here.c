/* A relative path of a program is one from this process's directory, whatever directory the child
 * is given, as on Windows, and so are relative directories in PATH: both were looked up from the
 * child's. */
#include "fake.h"

#include <sys/stat.h>
#include <unistd.h>

static note spawned, waited;

static void make_program(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    CHECK(file && fputs(text, file) >= 0 && fclose(file) == 0 && chmod(path, 0700) == 0);
}

static cede_status run(cede_loop *loop, const char *program, uint64_t *code)
{
    static const char *const arguments[] = {"program", NULL};
    const cede_spawn how = {.program = program, .arguments = arguments, .directory = "elsewhere"};
    cede_prep_spawn(&spawned.req, &how, NULL);
    CHECK(cede_wait(loop, note_submit(loop, &spawned, note_done), CEDE_FOREVER) == CEDE_OK);
    if (spawned.result.status)
        return spawned.result.status;
    cede_prep_child_wait(&waited.req, spawned.result.handle);
    CHECK(cede_wait(loop, note_submit(loop, &waited, note_done), CEDE_FOREVER) == CEDE_OK);
    *code = waited.result.count;
    cede_drop(spawned.result.handle);
    return waited.result.status;
}

/* By PATH, as execvp does it: in order, what cannot be run is passed over, and told at the end. */
static void by_path(cede_loop *loop)
{
    uint64_t code = 0;
    char name[300] = "";
    CHECK(mkdir("denied", 0700) == 0 && mkdir("elsewhere/here", 0700) == 0);
    make_program("denied/program", "#!/bin/sh\nexit 9\n");
    make_program("elsewhere/here/program", "#!/bin/sh\nexit 10\n");
    make_program("elsewhere/here/theirs", "#!/bin/sh\nexit 11\n");
    make_program("nearby", "#!/bin/sh\nexit 12\n");
    make_program("here/textual", "exit 13\n");
    CHECK(chmod("denied/program", 0600) == 0 && mkdir("denied/directory", 0700) == 0);
    CHECK(setenv("PATH", "missing:nearby:denied:here:/usr/bin", 1) == 0);
    CHECK(run(loop, "program", &code) == CEDE_OK && code == 7);
    CHECK(run(loop, "theirs", &code) == CEDE_ENOENT);
    CHECK(run(loop, "other", &code) == CEDE_ENOENT);
    CHECK(run(loop, "nearby", &code) == CEDE_ENOENT);
    CHECK(run(loop, "directory", &code) == CEDE_EACCES);
    CHECK(run(loop, "textual", &code) == CEDE_ENOEXEC);
    CHECK(run(loop, "true", &code) == CEDE_OK && code == 0);
    CHECK(run(loop, "", &code) == CEDE_EINVAL);
    for (size_t i = 0; i + 1 < sizeof name; i++)
        name[i] = 'n';
    CHECK(run(loop, name, &code) == CEDE_ENAMETOOLONG);
    CHECK(setenv("PATH", "here:denied", 1) == 0);
    CHECK(run(loop, "program", &code) == CEDE_OK && code == 7);
    CHECK(setenv("PATH", "denied:missing", 1) == 0);
    CHECK(run(loop, "program", &code) == CEDE_EACCES);
    CHECK(setenv("PATH", "missing:", 1) == 0); /* an empty one is this directory */
    CHECK(run(loop, "nearby", &code) == CEDE_OK && code == 12);
    CHECK(unsetenv("PATH") == 0);
    CHECK(run(loop, "true", &code) == CEDE_OK && code == 0);
    CHECK(run(loop, "nearby", &code) == CEDE_ENOENT);
}

REGRESSION(child_is_found_from_here)
{
    char place[] = "/tmp/cede-regress-XXXXXX", command[64], far[4090] = "";
    uint64_t code = 0;
    cede_loop *loop;

    port_limit(30);
    CHECK(mkdtemp(place) && chdir(place) == 0);
    CHECK(mkdir("elsewhere", 0700) == 0 && mkdir("here", 0700) == 0);
    make_program("here/program", "#!/bin/sh\nexit 7\n");
    make_program("elsewhere/other", "#!/bin/sh\nexit 8\n");
    CHECK(cede_loop_open(NULL, &loop) == CEDE_OK);
    if (cede_supports(loop, CEDE_OP_SPAWN)) {
        CHECK(run(loop, "here/program", &code) == CEDE_OK && code == 7);
        CHECK(run(loop, "./here/../here/program", &code) == CEDE_OK && code == 7);
        CHECK(run(loop, "./other", &code) == CEDE_ENOENT);
        for (size_t i = 0; i + 2 < sizeof far; i++)
            far[i] = i % 2 ? '/' : '.'; /* fits alone, and not behind the directory */
        CHECK(run(loop, far, &code) == CEDE_ENAMETOOLONG);
        by_path(loop);
    }
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
    (void)snprintf(command, sizeof command, "/bin/rm -r %s", place);
    CHECK(chdir("/") == 0 && system(command) == 0);
    return 0;
}
