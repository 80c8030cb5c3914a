/*
 * See program.h. The search is execvp's (execvp(3)), but made here.
 */
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Puts `bytes` of a text, and an end, behind what is in `room`. False: it does not fit. */
static bool put(char *room, const char *text, size_t bytes)
{
    size_t used = strlen(room);
    if (bytes >= PATH_MAX - used)
        return false;
    memcpy(room + used, text, bytes);
    room[used + bytes] = '\0';
    return true;
}

/* The path of a file in a directory, which is `bytes` long, empty for this process's; absolute. 0
 * or an errno. */
static int join(char *room, const char *directory, size_t bytes, const char *file)
{
    bool fits = true;
    room[0] = '\0';
    if (bytes == 0 || directory[0] != '/') {
        if (!getcwd(room, PATH_MAX))
            return errno;
        fits = put(room, "/", 1);
    }
    if (bytes > 0)
        fits = fits && put(room, directory, bytes) && put(room, "/", 1);
    return fits && put(room, file, strlen(file)) ? 0 : ENAMETOOLONG;
}

/* What the system would say to who begins it. */
static int look_at(const char *path)
{
    struct stat is;
    if (stat(path, &is) != 0 || faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) != 0)
        return errno;
    return S_ISREG(is.st_mode) ? 0 : EACCES;
}

static int search(const char *name, char *room)
{
    char common[64]; /* where there is no PATH */
    const char *at = getenv("PATH");
    int denied = ENOENT;
    if (!at) {
        size_t bytes = confstr(_CS_PATH, common, sizeof common);
        at = bytes > 0 && bytes <= sizeof common ? common : "/bin:/usr/bin";
    }
    for (;;) {
        size_t bytes = strcspn(at, ":");
        int error = join(room, at, bytes, name);
        if (!error)
            error = look_at(room);
        if (error == EACCES || (error == ENAMETOOLONG && denied == ENOENT))
            denied = error;
        else if (error != ENOENT && error != ENOTDIR && error != ESTALE && error != ENODEV &&
                 error != ETIMEDOUT)
            return error; /* it is there, or that is not all */
        at += bytes;
        if (*at++ == '\0')
            return denied;
    }
}

int cedi_program_find(const cede_spawn *how, char *room, const char **program)
{
    const char *name = how->program;
    int error;
    *program = name;
    if (!how->directory || name[0] == '/' || name[0] == '\0')
        return 0;
    error = strchr(name, '/') ? join(room, "", 0, name) : search(name, room);
    if (!error)
        *program = room;
    return error;
}
