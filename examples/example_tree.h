/*
 * What differs between systems, for cede-serve: opening a name that must lie below a directory,
 * wherever symbolic links and clever names would lead. cede's open has nothing of the kind; what
 * is opened here becomes a handle by cede_import.
 *
 * Linux: openat2 with RESOLVE_BENEATH (5.6 and newer). Windows: a path in the form that the system
 * takes letter by letter, and the opened file is asked where it really lies.
 */
#ifndef EXAMPLE_TREE_H
#define EXAMPLE_TREE_H

#include "example_os.h"

struct os_tree; /* a directory and all below it */

/* A file or directory that was opened for reading. */
typedef struct os_found {
    intptr_t native; /* the caller's, to import or os_close; -1: none */
    bool directory;
    uint64_t bytes;
    int64_t modified_ns; /* since 1970 */
} os_found;

static inline cede_status os_tree_open(struct os_tree *, const char *path);

/* Opens `name`: relative, with plain slashes, without "." and ".."; "" is the directory itself.
 * With `wait` false it never waits for a disk: CEDE_EAGAIN says that it would have to, or cannot
 * tell. CEDE_ENOENT: there is none, or it lies elsewhere; CEDE_EACCES: also what is neither file
 * nor directory; CEDE_EMFILE and the like as usual. Any thread. */
static inline cede_status os_tree_find(const struct os_tree *, const char *name, bool wait,
                                       os_found *);

static inline void os_close(intptr_t native);

#ifdef _WIN32
#include <wchar.h>

struct os_tree {
    WCHAR path[32768]; /* "\\?\C:\served", without a separator at its end */
    DWORD length;
};

#define OS_SHARE_ALL (FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE)

static inline void os_close(intptr_t native)
{
    CloseHandle((HANDLE)native);
}

static inline DWORD os_true_path(HANDLE file, WCHAR *path, DWORD room)
{
    DWORD length = GetFinalPathNameByHandleW(file, path, room, VOLUME_NAME_DOS);

    if (length == 0 || length >= room)
        return 0;
    return length - (path[length - 1] == L'\\'); /* a drive's top has one */
}

static inline cede_status os_tree_open(struct os_tree *tree, const char *path)
{
    WCHAR wide[4096];
    HANDLE top;

    if (MultiByteToWideChar(CP_UTF8, 0, path, -1, wide, 4096) == 0)
        return CEDE_EINVAL;
    top = CreateFileW(wide, FILE_READ_ATTRIBUTES, OS_SHARE_ALL, NULL, OPEN_EXISTING,
                      FILE_FLAG_BACKUP_SEMANTICS, NULL);
    if (top == INVALID_HANDLE_VALUE)
        return GetLastError() == ERROR_ACCESS_DENIED ? CEDE_EACCES : CEDE_ENOENT;
    tree->length = os_true_path(top, tree->path, 32768);
    CloseHandle(top);
    return tree->length ? CEDE_OK : CEDE_ENOTDIR;
}

/* The full path of a name; false: no file can be called so. A colon would name a stream of a file,
 * a backslash would be a second separator. */
static inline bool os_tree_path(const struct os_tree *tree, const char *name, WCHAR *path, int room)
{
    int length = (int)tree->length;

    if (strpbrk(name, "\\:*?\"<>|") || length + 2 > room)
        return false;
    memcpy(path, tree->path, tree->length * sizeof *path);
    path[length++] = L'\\';
    if (MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, name, -1, path + length,
                            room - length) == 0)
        return false;
    for (; path[length]; length++) {
        if (path[length] == L'/')
            path[length] = L'\\';
    }
    if (path[length - 1] == L'\\' && length > (int)tree->length + 1)
        path[length - 1] = L'\0'; /* a directory's */
    return true;
}

static inline cede_status os_tree_take(const struct os_tree *tree, const WCHAR *path, DWORD flags,
                                       WCHAR *scratch, DWORD room, os_found *found)
{
    BY_HANDLE_FILE_INFORMATION info;
    DWORD length = 0;
    HANDLE file = CreateFileW(path, GENERIC_READ, OS_SHARE_ALL, NULL, OPEN_EXISTING, flags, NULL);

    if (file == INVALID_HANDLE_VALUE) {
        DWORD error = GetLastError();

        return error == ERROR_ACCESS_DENIED || error == ERROR_SHARING_VIOLATION ? CEDE_EACCES
               : error == ERROR_TOO_MANY_OPEN_FILES                             ? CEDE_EMFILE
                                                                                : CEDE_ENOENT;
    }
    if (GetFileType(file) == FILE_TYPE_DISK && GetFileInformationByHandle(file, &info))
        length = os_true_path(file, scratch, room);
    if (length < tree->length || wmemcmp(scratch, tree->path, tree->length) != 0 ||
        (length > tree->length && scratch[tree->length] != L'\\')) {
        CloseHandle(file);
        return CEDE_ENOENT;
    }
    found->native = (intptr_t)file;
    found->directory = (info.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) != 0;
    found->bytes = (uint64_t)info.nFileSizeHigh << 32 | info.nFileSizeLow;
    /* In units of 100 ns since 1601. */
    found->modified_ns = ((int64_t)((uint64_t)info.ftLastWriteTime.dwHighDateTime << 32 |
                                    info.ftLastWriteTime.dwLowDateTime) -
                          116444736000000000) *
                         100;
    return CEDE_OK;
}

static inline cede_status os_tree_find(const struct os_tree *tree, const char *name, bool wait,
                                       os_found *found)
{
    enum { ROOM = 32768 };
    WCHAR *path;
    cede_status status;

    found->native = -1;
    if (!wait)
        return CEDE_EAGAIN;
    path = malloc(2 * ROOM * sizeof *path);
    if (!path)
        return CEDE_ENOMEM;
    if (!os_tree_path(tree, name, path, ROOM)) {
        free(path);
        return CEDE_ENOENT;
    }
    status = os_tree_take(tree, path, FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OVERLAPPED,
                          path + ROOM, ROOM, found);
    if (status == CEDE_OK && found->directory) { /* is not read by overlapped I/O */
        os_close(found->native);
        found->native = -1;
        status = os_tree_take(tree, path, FILE_FLAG_BACKUP_SEMANTICS, path + ROOM, ROOM, found);
    }
    free(path);
    return status;
}

#else
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>

struct os_tree {
    int top;
};

static inline void os_close(intptr_t native)
{
    close((int)native);
}

static inline cede_status os_tree_open(struct os_tree *tree, const char *path)
{
    tree->top = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (tree->top >= 0)
        return CEDE_OK;
    return errno == EACCES ? CEDE_EACCES : errno == ENOTDIR ? CEDE_ENOTDIR : CEDE_ENOENT;
}

static inline cede_status os_tree_find(const struct os_tree *tree, const char *name, bool wait,
                                       os_found *found)
{
    /* Not blocking, lest a named pipe is waited for. */
    struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS |
                                      (wait ? 0 : RESOLVE_CACHED)};
    struct stat stat;
    int file = (int)syscall(SYS_openat2, tree->top, *name ? name : ".", &how, sizeof how);

    found->native = -1;
    if (file < 0) {
        switch (errno) {
        case EACCES:
        case EPERM:
            return CEDE_EACCES;
        case EAGAIN: /* with wait: something was renamed meanwhile */
            return CEDE_EAGAIN;
        case EMFILE:
        case ENFILE:
            return CEDE_EMFILE;
        case ENOMEM:
            return CEDE_ENOMEM;
        case ENOSYS:
            return CEDE_ENOTSUP;
        default: /* ENOENT, ENOTDIR, ENAMETOOLONG; a link that leads out: EXDEV, ELOOP */
            return CEDE_ENOENT;
        }
    }
    if (fstat(file, &stat) < 0 || (!S_ISREG(stat.st_mode) && !S_ISDIR(stat.st_mode)) ||
        fcntl(file, F_SETFL, 0) < 0) {
        close(file);
        return CEDE_EACCES;
    }
    found->native = file;
    found->directory = S_ISDIR(stat.st_mode);
    found->bytes = (uint64_t)stat.st_size;
    found->modified_ns = (int64_t)stat.st_mtim.tv_sec * 1000000000 + stat.st_mtim.tv_nsec;
    return CEDE_OK;
}

#endif
#endif
