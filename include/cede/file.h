/*
 * Preparations for files, pipes, terminals, directories and paths.
 *
 * Paths are UTF-8, NUL-terminated, lent until done (law 1). Relative ones are looked up from the
 * process's working directory while the operation is under way, by whatever thread does it: a
 * program that changes that directory meanwhile may get the file of either. (An open that waits for
 * somebody stays with the directory of the turn in which it began to.) So it is with whose rights
 * they are opened: the process's. A thread that acts for somebody else (Windows: a token set on it;
 * Linux: setfsuid and the like) opens by itself and imports. Offsets and lengths are 64 bits; a
 * transfer of any length is legal and may come back short (one transfer) or in pieces (whole
 * transfers) that the library puts together.
 *
 * Windows, where a path is made to mean one file: names that the system would change or take for
 * something else are CEDE_EINVAL: with a dot or a space at the end ("a.", "a "), with one of
 * < > : " | ? * or a control character ("a:b": there is no way to streams), and those of devices,
 * whatever follows ("nul.txt", "con", "com1"). Paths may be long (32,767 units), and a name has 255
 * units at most (CEDE_ENAMETOOLONG). What begins with \\.\ or \\?\ is the system's own name for
 * something, and is left to it. "." and ".." are resolved by the text, before anything is looked
 * for: "none/../f" is "f", whatever "none" is, and ".." behind a symbolic link leads back to where
 * the link is. Names there are 16-bit units of any value. A surrogate that has no partner is told,
 * and taken, as three bytes that UTF-8 has no use for (WTF-8: ED A0 80 to ED BF BF), so that the
 * names that readdir tells can be opened; what is shown to people may have to do without. But one
 * of those that are CEDE_EINVAL here, which who goes round Win32 can make ("a.", "aux.txt"), is
 * told as it is, and opened by its long form alone: \\?\C:\directory\a.
 *
 * Positions: an offset of CEDE_CURRENT uses, and moves, the file's own position; pipes and
 * terminals take only that (another: CEDE_ESPIPE). Requests at the current position, on one handle
 * and in one direction, take effect and complete in submit order; positioned ones are free
 * (law 14). End of file: CEDE_OK with count 0. On a handle opened with CEDE_OPEN_APPEND every write
 * goes to the end, whatever its offset; one at the current position moves the position behind what
 * it wrote, a positioned one leaves it alone. cede_prep_append never moves it. Windows does not say
 * where such a write went: there the position is the file's end after it, behind what somebody else
 * may have appended meanwhile. Nor does it keep a position for files that were made for overlapped
 * I/O, as all that cede opens are: the library does, for each handle. Where duplicates of one share
 * a position elsewhere, those of DuplicateHandle have each its own there.
 *
 * Terminals (a Windows console is one) speak UTF-8 on every system, whatever the code page. A read
 * ends with a line, which ends as the system has it ("\r\n" on Windows), unless the terminal was
 * told otherwise (termios, SetConsoleMode). The end that is typed (ctrl-D; Windows: ctrl-Z, first
 * in a line) ends one read, with count 0; the next waits again. ctrl-C is a signal (system.h) and
 * ends no read. A cancelled read leaves to the next what was typed, and the line that is being
 * typed. On Windows that is the next by cede, on any loop: nothing else should read the console
 * before a line is over of which a key was pressed while a read was pending.
 *
 * One transfer (read, write, readv, writev, append): if any byte moved, the status is CEDE_OK and
 * the count says how many. Whole transfers (_all, copy): CEDE_OK if and only if all of it
 * happened; otherwise the status is the reason (CEDE_EEOF: the data ended) and the count the truth
 * (law 7).
 *
 * A write beyond the process's limit for the sizes of files (RLIMIT_FSIZE) is CEDE_EFBIG; but where
 * it is made on the loop's thread (with CEDE_OPEN_DIRECT one that is not at the position is; others
 * may be), SIGXFSZ comes first, as of write(2), and ends the process unless that ignores or handles
 * it. The library leaves the signal to the program.
 */
#ifndef CEDE_FILE_H
#define CEDE_FILE_H

#include "cede/req.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The offset that means: at the handle's own position. */
#define CEDE_CURRENT ((int64_t)-1)

/* A length for cede_prep_copy, cede_prep_send_file and relays: up to the end of the source. */
#define CEDE_TO_END UINT64_MAX

/* Flags for cede_prep_open. One of READ, WRITE or both is needed; any unknown bit: CEDE_EINVAL. */
#define CEDE_OPEN_READ      0x001u
#define CEDE_OPEN_WRITE     0x002u
#define CEDE_OPEN_CREATE    0x004u /* make it if it is not there, with `mode` */
#define CEDE_OPEN_EXCLUSIVE 0x008u /* with CREATE: CEDE_EEXIST if it is there, even a dead link */
#define CEDE_OPEN_TRUNCATE  0x010u /* with WRITE: cut it to length 0 */
#define CEDE_OPEN_APPEND    0x020u /* every write goes to the end; see Positions above */
#define CEDE_OPEN_DIRECTORY 0x040u /* CEDE_ENOTDIR if it is none; the handle is for readdir */
#define CEDE_OPEN_NOFOLLOW  0x080u /* CEDE_ELOOP if the last component is a symbolic link */
#define CEDE_OPEN_DIRECT    0x100u /* past the page cache; see below */
#define CEDE_OPEN_SYNC      0x200u /* each write returns when the data is on the medium */
#define CEDE_OPEN_ANY       0x3ffu

/* CEDE_OPEN_DIRECT: what the file system asks of offsets, lengths and memory (to be whole blocks,
 * in most: 512 or 4096 bytes) is asked of the caller, who is told CEDE_EINVAL. A read up to the end
 * of the file may end within a block. (Windows: one that begins there, as the last of a read_all
 * that meets the end, is CEDE_EINVAL.) On Linux transfers at the position are made by threads of
 * the loop's pool; and a program that turns O_DIRECT on by itself (fcntl) does so before the loop
 * uses the handle. */

/* Opens a file, directory, named pipe or device. On success result.handle is new and the callee's
 * to close; opened just as a cancel came, it is delivered all the same (law 8). Descriptors are
 * never inherited by child processes. `mode` are permission bits for a new file (0644), less the
 * process's mask. Opening a named pipe waits for the other end without blocking the loop, and a
 * cancel ends that wait where the system can; a writer that came before it ended is not lost: then
 * the open is delivered (law 7's table). A pipe of Windows (\\.\pipe\name) is there as long as
 * its server is (else CEDE_ENOENT), so its open waits for nothing: CEDE_EBUSY says that others have
 * all of its instances just now; try again later. (A connect to a local address, net.h, waits for
 * one.) Its server learns whose program this is, but cannot act in its name. On Linux an open that
 * waits, for the other end of a pipe or until somebody gives up his lease of a file (fcntl), has a
 * thread of its own and 3 to 5 descriptors while it does: thousands are dear. */
CEDE_API void cede_prep_open(cede_req *, const char *path, uint32_t flags, uint32_t mode);

/* Closes a handle: stale from the submit on (later operations get CEDE_EBADF); what is pending on
 * it is cancelled and delivered, with what it refused; then the system's close; then done, with the
 * system's word. It cannot be cancelled, needs no open scope, and never blocks the loop (law 10).
 * But the system's own work for it is done in the call: on Linux the last close of a file without a
 * name gives back its memory and its room, which takes the loop's thread some 0.1 s to 0.4 s a
 * gigabyte. (Where that matters: truncate it in pieces first.) See cede_drop. */
CEDE_API void cede_prep_close(cede_req *, cede_handle);

/* Reads up to length_bytes into buffer (ceded). */
CEDE_API void cede_prep_read(cede_req *, cede_handle, void *buffer, uint64_t length_bytes,
                             int64_t offset);
/* Writes up to length_bytes from buffer (lent). */
CEDE_API void cede_prep_write(cede_req *, cede_handle, const void *buffer, uint64_t length_bytes,
                              int64_t offset);
/* Reads into count pieces (the memory ceded, the vector lent), in order. At most 1024 pieces. */
CEDE_API void cede_prep_readv(cede_req *, cede_handle, const cede_vec *, uint32_t count,
                              int64_t offset);
/* Writes count pieces (memory and vector lent), in order. At most 1024 pieces. */
CEDE_API void cede_prep_writev(cede_req *, cede_handle, const cede_vec *, uint32_t count,
                               int64_t offset);
/* Reads exactly length_bytes; CEDE_EEOF with the count if the data ends before. */
CEDE_API void cede_prep_read_all(cede_req *, cede_handle, void *buffer, uint64_t length_bytes,
                                 int64_t offset);
/* Writes exactly length_bytes. */
CEDE_API void cede_prep_write_all(cede_req *, cede_handle, const void *buffer,
                                  uint64_t length_bytes, int64_t offset);
/* Writes at the end of the file, wherever that is by then, atomically with the seek. One
 * transfer. Works on any writable handle; appends on one handle keep submit order. */
CEDE_API void cede_prep_append(cede_req *, cede_handle, const void *buffer, uint64_t length_bytes);

/* Forces the file's data and metadata (fdatasync: data, and what is needed to read it) to the
 * medium. Orders nothing by itself: link it behind the writes that it is for. Windows does it for
 * those alone who may write to the file: of one that was opened to be read only, CEDE_EACCES says
 * that it cannot be opened to be written, too. */
CEDE_API void cede_prep_fsync(cede_req *, cede_handle);
CEDE_API void cede_prep_fdatasync(cede_req *, cede_handle);

/* Sets the file's length; a new tail reads as zeros. Windows: who only appends (CEDE_OPEN_APPEND)
 * has no right to it, and the file is opened anew with it for this, for allocate and for
 * CEDE_OPEN_TRUNCATE: CEDE_EACCES, if that may not be, as of a file that is read-only by now. */
CEDE_API void cede_prep_truncate(cede_req *, cede_handle, uint64_t length_bytes);

/* Reserves room for a range, so that later writes to it do not run out of it. Without KEEP_SIZE
 * the file grows to contain the range. length_bytes 0: CEDE_EINVAL. Windows: room beyond the end is
 * given back when the file's last handle, anybody's, is closed; a file that is sparse or compressed
 * (one is sparse that was written or cut far behind its end) gets none before its end, and whether
 * any behind it is not said; and as no call makes a file only longer, bytes that are written behind
 * the range meanwhile, by whomever, may be cut off: link what writes there behind it. */
#define CEDE_ALLOCATE_KEEP_SIZE 0x1u
CEDE_API void cede_prep_allocate(cede_req *, cede_handle, uint64_t offset, uint64_t length_bytes,
                                 uint32_t flags);

/* Copies length_bytes (or CEDE_TO_END) between two files, in the kernel where it can; the handles
 * may be the same if the ranges do not overlap (CEDE_EINVAL; as they do with CEDE_TO_END where
 * to_offset is the larger one: the end would run away). CEDE_EBADF, also of nothing: `from` is not
 * open for reading, `to` not for writing or only appends (CEDE_OPEN_APPEND). A whole transfer; with
 * CEDE_TO_END the end of the source is success. Where the kernel cannot and one of the two was
 * opened with CEDE_OPEN_DIRECT, what is asked of its blocks is asked of the copy: a part of one
 * that is to be written is CEDE_EINVAL with the count. (On Linux any part of a source may be read.)
 * Both handles belong to the loop that it is submitted to. */
CEDE_API void cede_prep_copy(cede_req *, cede_handle from, uint64_t from_offset, cede_handle to,
                             uint64_t to_offset, uint64_t length_bytes);

/* ---- What a file is ------------------------------------------------------------------------ */

enum {
    CEDE_FILE_UNKNOWN = 0,
    CEDE_FILE_REGULAR,
    CEDE_FILE_DIRECTORY,
    CEDE_FILE_SYMLINK,
    CEDE_FILE_PIPE,   /* Windows: also a local stream that was imported: to it that is a pipe */
    CEDE_FILE_SOCKET, /* of streams, listeners and datagrams, at local names, too */
    CEDE_FILE_CHARACTER,
    CEDE_FILE_BLOCK
};

/* 256 bytes, so that a backend can let the kernel write its own form in place. */
typedef struct cede_stat {
    uint32_t type;            /* CEDE_FILE_... */
    uint32_t mode;            /* permission bits, 07777 */
    uint64_t size_bytes;      /* length */
    uint64_t allocated_bytes; /* room taken on the medium */
    uint64_t file_id;         /* with device: the identity of the file (but of Windows' ReFS, whose
                                 numbers have 128 bits; 0 where the file system has none) */
    uint64_t device;
    uint64_t links;
    uint32_t owner;
    uint32_t group;
    int64_t accessed_ns; /* since 1970-01-01 00:00 UTC, like the next three */
    int64_t modified_ns;
    int64_t changed_ns;
    int64_t created_ns;       /* 0 where the file system does not keep it */
    uint64_t preferred_bytes; /* a good size for a transfer */
    uint64_t reserved_[20];
} cede_stat;

#define CEDE_NOFOLLOW 0x1u /* stat: the symbolic link itself */

/* Fills *out (ceded) for a path, or for an open handle. flags: CEDE_NOFOLLOW. It is no client of
 * the pipe that a path names (but of one of another machine's, on Windows). A watch is no file, nor
 * its directory: this and the next two say CEDE_EINVAL of it. */
CEDE_API void cede_prep_stat(cede_req *, const char *path, cede_stat *out, uint32_t flags);
CEDE_API void cede_prep_stat_handle(cede_req *, cede_handle, cede_stat *out);

/* Sets when a file was accessed and modified, in nanoseconds since 1970. (Windows: what is no file
 * has no times: CEDE_OK, and nothing changes. The same of the next.) */
#define CEDE_TIME_KEEP INT64_MIN /* leave this one as it is */
CEDE_API void cede_prep_set_times(cede_req *, cede_handle, int64_t accessed_ns,
                                  int64_t modified_ns);

/* Sets the permission bits (07777; what the system has no place for is ignored). */
CEDE_API void cede_prep_set_mode(cede_req *, cede_handle, uint32_t mode);

/* ---- Paths --------------------------------------------------------------------------------- */

#define CEDE_RENAME_NOREPLACE 0x1u /* CEDE_EEXIST if `to` is there */

/* Renames or moves within one file system (another: CEDE_EXDEV), replacing `to` in one step. What
 * ends with "." or ".." is CEDE_EBUSY. Windows: it takes more to replace a directory where the file
 * system has no renames of POSIX's kind; one that fails leaves both. NTFS moves no directory below
 * which anybody has something open (CEDE_EACCES). */
CEDE_API void cede_prep_rename(cede_req *, const char *from, const char *to, uint32_t flags);
/* Removes a name that is not a directory's. Windows: where the file system has no deletes of
 * POSIX's kind, or who deletes does not ask for them, the name of a file that is open stays until
 * it is closed everywhere. It is CEDE_ENOENT meanwhile, and CEDE_EBUSY to who would make something
 * by it (CEDE_OPEN_CREATE, mkdir). */
CEDE_API void cede_prep_unlink(cede_req *, const char *path);
CEDE_API void cede_prep_mkdir(cede_req *, const char *path, uint32_t mode);
/* What ends with "." is CEDE_EINVAL, with ".." CEDE_ENOTEMPTY. */
CEDE_API void cede_prep_rmdir(cede_req *, const char *path);
/* A further name for a file (a hard link; of a directory: CEDE_EPERM). A symbolic link is linked
 * itself, not followed. */
CEDE_API void cede_prep_link(cede_req *, const char *existing, const char *path);
/* A symbolic link at `path` whose text is `target`. Windows has two kinds, for files and for
 * directories, and it is made for what is there: if nothing is, for files, and does not lead to a
 * directory that is made there later. */
CEDE_API void cede_prep_symlink(cede_req *, const char *target, const char *path);
/* The text of a symbolic link into buffer (ceded), not terminated; count is its length. (Windows:
 * of a mount point, too.)
 * CEDE_EOVERFLOW if it does not fit, CEDE_EINVAL if path is no symbolic link. */
CEDE_API void cede_prep_readlink(cede_req *, const char *path, void *buffer, uint64_t length_bytes);

/*
 * Reads entries of a directory opened with CEDE_OPEN_DIRECTORY into buffer (ceded; at least
 * CEDE_READDIR_BYTES, or CEDE_EINVAL). count is the number of bytes filled, 0 at the end; walk
 * them with cede_next_entry. "." and ".." are left out; the order is the file system's.
 */
#define CEDE_READDIR_BYTES 1024u
CEDE_API void cede_prep_readdir(cede_req *, cede_handle directory, void *buffer,
                                uint64_t length_bytes);

/* The longest name, with its NUL: 255 UTF-16 units are at most 765 bytes. */
#define CEDE_NAME_BYTES 773

/* Entries lie behind each other and are only as long as their names: do not copy one as a struct.
 * */
typedef struct cede_entry {
    uint64_t file_id;           /* as in cede_stat; 0 where the file system does not say */
    uint16_t entry_bytes;       /* from this entry to the next; a multiple of 8 */
    uint8_t type;               /* CEDE_FILE_..., UNKNOWN if the file system does not say */
    char name[CEDE_NAME_BYTES]; /* NUL-terminated */
} cede_entry;

/* The entry at *position_bytes (0 at first) of `count` bytes that readdir filled, and moves the
 * position on; NULL at the end. The buffer must be aligned to 8 bytes. Any thread. */
CEDE_API const cede_entry *cede_next_entry(const void *buffer, uint64_t count,
                                           uint64_t *position_bytes);

#ifdef __cplusplus
}
#endif
#endif
