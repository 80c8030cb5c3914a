/*
 * Preparations for files, directories and paths, and the walk over what readdir filled.
 */
#include "prep.h"

/* Offsets are signed 64 bits in every kernel, and so is the end of a transfer. */
static bool fits(uint64_t offset, uint64_t length)
{
    return offset <= INT64_MAX && length <= INT64_MAX && offset + length <= INT64_MAX;
}

static void transfer(cede_req *req, uint8_t op, cede_handle handle, void *buffer, uint64_t length,
                     int64_t offset)
{
    cede_args *args = cedi_prep_on(req, op, handle);
    args->io.buffer = buffer;
    args->io.length_bytes = length;
    args->io.offset = offset;
    cedi_prep_require(req, buffer || length == 0);
    cedi_prep_require(req, offset == CEDE_CURRENT ? length <= INT64_MAX
                                                  : offset >= 0 && fits((uint64_t)offset, length));
}

static void vectored(cede_req *req, uint8_t op, cede_handle handle, const cede_vec *vec,
                     uint32_t count, int64_t offset)
{
    cede_args *args = cedi_prep_on(req, op, handle);
    uint64_t total = 0;
    args->vec.vec = vec;
    args->vec.count = count;
    args->vec.offset = offset;
    cedi_prep_require(req, count <= 1024 && (vec || count == 0));
    if (req->attributes_ & CEDI_IS_INVALID)
        return;
    for (uint32_t i = 0; i < count; i++) {
        cedi_prep_require(req, vec[i].base || vec[i].length_bytes == 0);
        total = cedi_add(total, vec[i].length_bytes);
    }
    cedi_prep_require(req, fits(offset == CEDE_CURRENT ? 0 : (uint64_t)offset, total));
}

void cede_prep_read(cede_req *req, cede_handle handle, void *buffer, uint64_t length_bytes,
                    int64_t offset)
{
    transfer(req, CEDE_OP_READ, handle, buffer, length_bytes, offset);
}

void cede_prep_write(cede_req *req, cede_handle handle, const void *buffer, uint64_t length_bytes,
                     int64_t offset)
{
    transfer(req, CEDE_OP_WRITE, handle, (void *)(uintptr_t)buffer, length_bytes, offset);
}

void cede_prep_readv(cede_req *req, cede_handle handle, const cede_vec *vec, uint32_t count,
                     int64_t offset)
{
    vectored(req, CEDE_OP_READV, handle, vec, count, offset);
}

void cede_prep_writev(cede_req *req, cede_handle handle, const cede_vec *vec, uint32_t count,
                      int64_t offset)
{
    vectored(req, CEDE_OP_WRITEV, handle, vec, count, offset);
}

void cede_prep_read_all(cede_req *req, cede_handle handle, void *buffer, uint64_t length_bytes,
                        int64_t offset)
{
    transfer(req, CEDE_OP_READ_ALL, handle, buffer, length_bytes, offset);
}

void cede_prep_write_all(cede_req *req, cede_handle handle, const void *buffer,
                         uint64_t length_bytes, int64_t offset)
{
    transfer(req, CEDE_OP_WRITE_ALL, handle, (void *)(uintptr_t)buffer, length_bytes, offset);
}

void cede_prep_append(cede_req *req, cede_handle handle, const void *buffer, uint64_t length_bytes)
{
    transfer(req, CEDE_OP_APPEND, handle, (void *)(uintptr_t)buffer, length_bytes, CEDE_CURRENT);
}

void cede_prep_fsync(cede_req *req, cede_handle handle)
{
    (void)cedi_prep_on(req, CEDE_OP_FSYNC, handle);
}

void cede_prep_fdatasync(cede_req *req, cede_handle handle)
{
    (void)cedi_prep_on(req, CEDE_OP_FDATASYNC, handle);
}

void cede_prep_truncate(cede_req *req, cede_handle handle, uint64_t length_bytes)
{
    cede_args *args = cedi_prep_on(req, CEDE_OP_TRUNCATE, handle);
    args->range.offset = 0;
    args->range.length_bytes = length_bytes;
    args->range.flags = 0;
    cedi_prep_require(req, fits(0, length_bytes));
}

void cede_prep_allocate(cede_req *req, cede_handle handle, uint64_t offset, uint64_t length_bytes,
                        uint32_t flags)
{
    cede_args *args = cedi_prep_on(req, CEDE_OP_ALLOCATE, handle);
    args->range.offset = offset;
    args->range.length_bytes = length_bytes;
    args->range.flags = flags;
    cedi_prep_require(req, fits(offset, length_bytes) && length_bytes > 0);
    cedi_prep_require(req, !(flags & ~CEDE_ALLOCATE_KEEP_SIZE));
}

void cede_prep_copy(cede_req *req, cede_handle from, uint64_t from_offset, cede_handle to,
                    uint64_t to_offset, uint64_t length_bytes)
{
    cede_args *args = cedi_prep_on(req, CEDE_OP_COPY, from);
    uint64_t known = length_bytes == CEDE_TO_END ? 0 : length_bytes;
    args->copy.other = to;
    args->copy.from_offset = from_offset;
    args->copy.to_offset = to_offset;
    args->copy.length_bytes = length_bytes;
    cedi_prep_require(req, fits(from_offset, known) && fits(to_offset, known));
}

/* ---- Paths and what they name --------------------------------------------------------------- */

static cede_args *on_path(cede_req *req, uint8_t op, const char *path, const char *to,
                          uint32_t flags, uint32_t mode)
{
    cede_args *args = cedi_prep(req, op, 0);
    args->path.path = path;
    args->path.to = to;
    args->path.out = NULL;
    args->path.length_bytes = 0;
    args->path.flags = flags;
    args->path.mode = mode;
    cedi_prep_require(req, path != NULL);
    return args;
}

void cede_prep_open(cede_req *req, const char *path, uint32_t flags, uint32_t mode)
{
    (void)on_path(req, CEDE_OP_OPEN, path, NULL, flags, mode);
    cedi_prep_require(req, !(flags & ~CEDE_OPEN_ANY) && !(mode & ~07777u));
    cedi_prep_require(req, flags & (CEDE_OPEN_READ | CEDE_OPEN_WRITE));
    cedi_prep_require(req, !(flags & CEDE_OPEN_EXCLUSIVE) || (flags & CEDE_OPEN_CREATE));
    cedi_prep_require(req, !(flags & CEDE_OPEN_TRUNCATE) || (flags & CEDE_OPEN_WRITE));
    cedi_prep_require(req, !(flags & CEDE_OPEN_APPEND) || (flags & CEDE_OPEN_WRITE));
    cedi_prep_require(req, !(flags & CEDE_OPEN_DIRECTORY) ||
                               !(flags & (CEDE_OPEN_WRITE | CEDE_OPEN_CREATE)));
}

void cede_prep_close(cede_req *req, cede_handle handle)
{
    (void)cedi_prep(req, CEDE_OP_CLOSE, 0);
    req->handle_ = handle;
}

void cede_prep_stat(cede_req *req, const char *path, cede_stat *out, uint32_t flags)
{
    cede_args *args = on_path(req, CEDE_OP_STAT, path, NULL, flags, 0);
    args->path.out = out;
    cedi_prep_require(req, out && !(flags & ~CEDE_NOFOLLOW));
}

void cede_prep_stat_handle(cede_req *req, cede_handle handle, cede_stat *out)
{
    cede_args *args = cedi_prep_on(req, CEDE_OP_STAT_HANDLE, handle);
    args->path.path = args->path.to = NULL;
    args->path.out = out;
    cedi_prep_require(req, out != NULL);
}

void cede_prep_set_times(cede_req *req, cede_handle handle, int64_t accessed_ns,
                         int64_t modified_ns)
{
    cede_args *args = cedi_prep_on(req, CEDE_OP_SET_TIMES, handle);
    args->times.accessed_ns = accessed_ns;
    args->times.modified_ns = modified_ns;
}

void cede_prep_set_mode(cede_req *req, cede_handle handle, uint32_t mode)
{
    cede_args *args = cedi_prep_on(req, CEDE_OP_SET_MODE, handle);
    args->path.path = args->path.to = NULL;
    args->path.out = NULL;
    args->path.mode = mode;
    cedi_prep_require(req, !(mode & ~07777u));
}

void cede_prep_rename(cede_req *req, const char *from, const char *to, uint32_t flags)
{
    (void)on_path(req, CEDE_OP_RENAME, from, to, flags, 0);
    cedi_prep_require(req, to && !(flags & ~CEDE_RENAME_NOREPLACE));
}

void cede_prep_unlink(cede_req *req, const char *path)
{
    (void)on_path(req, CEDE_OP_UNLINK, path, NULL, 0, 0);
}

void cede_prep_mkdir(cede_req *req, const char *path, uint32_t mode)
{
    (void)on_path(req, CEDE_OP_MKDIR, path, NULL, 0, mode);
    cedi_prep_require(req, !(mode & ~07777u));
}

void cede_prep_rmdir(cede_req *req, const char *path)
{
    (void)on_path(req, CEDE_OP_RMDIR, path, NULL, 0, 0);
}

void cede_prep_link(cede_req *req, const char *existing, const char *path)
{
    (void)on_path(req, CEDE_OP_LINK, existing, path, 0, 0);
    cedi_prep_require(req, path != NULL);
}

void cede_prep_symlink(cede_req *req, const char *target, const char *path)
{
    (void)on_path(req, CEDE_OP_SYMLINK, target, path, 0, 0);
    cedi_prep_require(req, path != NULL);
}

void cede_prep_readlink(cede_req *req, const char *path, void *buffer, uint64_t length_bytes)
{
    cede_args *args = on_path(req, CEDE_OP_READLINK, path, NULL, 0, 0);
    args->path.out = buffer;
    args->path.length_bytes = length_bytes;
    cedi_prep_require(req, buffer && length_bytes && length_bytes <= INT64_MAX);
}

void cede_prep_readdir(cede_req *req, cede_handle directory, void *buffer, uint64_t length_bytes)
{
    transfer(req, CEDE_OP_READDIR, directory, buffer, length_bytes, CEDE_CURRENT);
    cedi_prep_require(req, length_bytes >= CEDE_READDIR_BYTES && ((uintptr_t)buffer & 7) == 0);
}

const cede_entry *cede_next_entry(const void *buffer, uint64_t count, uint64_t *position_bytes)
{
    const cede_entry *entry;
    if (!buffer || *position_bytes >= count)
        return NULL;
    entry = (const cede_entry *)(const void *)((const char *)buffer + *position_bytes);
    *position_bytes += entry->entry_bytes;
    return entry;
}

/* ---- What a transfer was asked for ---------------------------------------------------------- */

uint64_t cedi_req_asked(const cedi_slot *slot)
{
    const cede_args *args = cedi_check_args(slot);
    uint64_t total = 0;
    switch (slot->op) {
    case CEDE_OP_READV:
    case CEDE_OP_WRITEV:
    case CEDE_OP_SENDV:
        for (uint64_t i = 0; i < args->vec.count; i++)
            total += args->vec.vec[i].length_bytes;
        break;
    case CEDE_OP_COPY:
    case CEDE_OP_SEND_FILE:
        total = args->copy.length_bytes;
        break;
    default:
        total = args->io.length_bytes;
        break;
    }
    cedi_check_touch(slot, false, false);
    return total;
}
