/*
 * A file of blocks, each of which has always the same bytes: what is read was written or is not
 * there yet. Names that come, move and go. And the file that streams are sent from, which is closed
 * with sends of it pending, and opened anew.
 */
#include "storm.h"

#define BLOCK 1024

static unsigned char byte_of(uint32_t block, uint32_t at)
{
    return (unsigned char)(1 + (block * 37 + at * 101 + (at >> 7)) % 255);
}

static void on_written(record *rec, cede_result r)
{
    station *at = rec->at;
    if (r.count > rec->bytes || (r.status == CEDE_OK && !rec->stops && r.count != rec->bytes))
        storm_fail("a write of %llu bytes says %s and %llu", (unsigned long long)rec->bytes,
                   cede_status_name(r.status), (unsigned long long)r.count);
    if (at->known[rec->block] < r.count)
        at->known[rec->block] = (uint32_t)r.count;
    storm_totals.files++;
    storm_rest(rec);
}

static void on_read(record *rec, cede_result r)
{
    if (r.status == CEDE_OK && r.count < rec->known)
        storm_fail("of block %u %u bytes were written, and %llu are read", rec->block, rec->known,
                   (unsigned long long)r.count);
    for (uint32_t i = 0; i < r.count; i++) {
        if (rec->buffer[i] != byte_of(rec->block, i) && (i < rec->known || rec->buffer[i]))
            storm_fail("byte %u of block %u is wrong", i, rec->block);
    }
    storm_totals.files++;
    storm_rest(rec);
}

/* What is read behind a whole write of its block finds it. */
static void on_read_behind(record *rec, cede_result r)
{
    if (r.status == CEDE_ECANCELED && (r.flags & CEDE_BY_LINK))
        rec->known = 0;
    on_read(rec, r);
}

static void prep_write(record *rec, uint32_t block)
{
    station *at = rec->at;
    rec->block = block;
    rec->bytes = 1 + storm_random(&at->random, BLOCK);
    for (uint32_t i = 0; i < rec->bytes; i++)
        rec->buffer[i] = byte_of(block, i);
    rec->stops = storm_random(&at->random, 2);
    if (rec->stops)
        cede_prep_write(&rec->as.req, at->file, rec->buffer, rec->bytes, (int64_t)block * BLOCK);
    else
        cede_prep_write_all(&rec->as.req, at->file, rec->buffer, rec->bytes,
                            (int64_t)block * BLOCK);
    storm_perhaps_within(rec);
}

static void prep_read(record *rec, uint32_t block)
{
    station *at = rec->at;
    rec->block = block;
    rec->known = at->known[block];
    rec->stops = true;
    rec->bytes = BLOCK;
    cede_prep_read(&rec->as.req, at->file, rec->buffer, BLOCK, (int64_t)block * BLOCK);
}

static void on_name(record *rec, cede_result r)
{
    if (r.handle && r.status != CEDE_OK)
        storm_fail("a handle with %s", cede_status_name(r.status));
    cede_drop(r.handle);
    storm_totals.files++;
    storm_rest(rec);
}

static void names(record *rec)
{
    station *at = rec->at;
    const char *one = at->path[storm_random(&at->random, NAMES)];
    const char *other = at->path[storm_random(&at->random, NAMES)];
    switch (storm_random(&at->random, 4)) {
    case 0:
        cede_prep_unlink(&rec->as.req, one);
        break;
    case 1:
        cede_prep_link(&rec->as.req, one, other);
        break;
    default:
        cede_prep_open(&rec->as.req, one, CEDE_OPEN_READ | CEDE_OPEN_WRITE | CEDE_OPEN_CREATE,
                       0644);
        break;
    }
    storm_perhaps_within(rec);
    storm_submit(rec, on_name);
}

void storm_files(station *at)
{
    uint32_t block = storm_random(&at->random, BLOCKS);
    record *rec = storm_take(at, false), *next = NULL;
    if (!rec)
        return;
    switch (storm_random(&at->random, 4)) {
    case 0:
        names(rec);
        break;
    case 1:
        prep_write(rec, block);
        storm_submit(rec, on_written);
        break;
    case 2:
        next = storm_take(at, false);
        prep_write(rec, block);
        if (next) {
            prep_read(next, block);
            if (next->known < rec->bytes)
                next->known = (uint32_t)rec->bytes;
            storm_submit_chain(rec, on_written, next, on_read_behind);
            if (storm_random(&at->random, 4) == 0)
                cede_cancel(rec->ticket);
        } else {
            storm_submit(rec, on_written);
        }
        break;
    default:
        prep_read(rec, block);
        storm_perhaps_within(rec);
        storm_submit(rec, on_read);
        break;
    }
}

/* ---- The folder ----------------------------------------------------------------------------- */

static void on_opened(record *rec, cede_result r)
{
    if (r.status != CEDE_OK)
        storm_fail("no file in %s: %s", rec->at->folder, cede_strerror(r.status));
    rec->at->file = r.handle;
    storm_rest(rec);
}

static void on_source(record *rec, cede_result r)
{
    if (r.status == CEDE_OK) {
        cede_drop(rec->at->source); /* another open was as quick */
        rec->at->source = r.handle;
    }
    storm_rest(rec);
}

/* What sends from it meanwhile is told that it was closed. */
void storm_files_turn(station *at)
{
    record *rec = storm_random(&at->random, 300) == 0 ? storm_take(at, false) : NULL;
    if (!rec)
        return;
    cede_drop(at->source);
    at->source = 0;
    cede_prep_open(&rec->as.req, at->source_path, CEDE_OPEN_READ, 0);
    storm_perhaps_within(rec);
    storm_submit(rec, on_source);
}

static void write_source(const char *path)
{
    FILE *file = fopen(path, "wb");
    port_must(file && fwrite(storm_pattern, 1, PATTERN_BYTES, file) == PATTERN_BYTES, "a file");
    port_must(fclose(file) == 0, "a file");
}

void storm_files_open(station *at)
{
    record *rec = storm_take(at, false);
    snprintf(at->source_path, sizeof at->source_path, "%s/source-%u", at->folder, at->number);
    write_source(at->source_path);
    for (uint32_t i = 0; i < NAMES; i++)
        snprintf(at->path[i], sizeof at->path[i], "%s/%u-%u", at->folder, at->number, i);
    char path[300];
    snprintf(path, sizeof path, "%s/file-%u", at->folder, at->number);
    cede_prep_open(&rec->as.req, path, CEDE_OPEN_READ | CEDE_OPEN_WRITE | CEDE_OPEN_CREATE, 0644);
    storm_submit(rec, on_opened);
    while (!at->file) /* not a storm_wait: a rival may have cancelled it */
        (void)storm_run(at, CEDE_MILLISECOND);
}

void storm_files_gone(station *at)
{
    char path[300];
    snprintf(path, sizeof path, "%s/file-%u", at->folder, at->number);
    (void)remove(path);
    (void)remove(at->source_path);
    (void)remove(at->doors[1].path); /* where it is a file's */
    for (uint32_t i = 0; i < NAMES; i++)
        (void)remove(at->path[i]);
}
