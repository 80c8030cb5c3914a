/*
 * The process's allocator: set before the first use, back to the C library's, and not any more once
 * memory was taken (types.h).
 */
#include "../regress/fake.h"

static unsigned calls;

static void *counting(void *context, void *memory, size_t bytes)
{
    CHECK(context == &calls);
    calls++;
    if (bytes == 0) {
        free(memory);
        return NULL;
    }
    return realloc(memory, bytes);
}

int main(void)
{
    static fake backend;
    static const cede_allocator none = {NULL, NULL}, its = {counting, &calls};
    cede_loop *loop;
    cede_pool *pool;

    CHECK(cede_set_allocator(&none) == CEDE_EINVAL);
    CHECK(cede_set_allocator(&its) == CEDE_OK);
    CHECK(cede_set_allocator(NULL) == CEDE_OK);
    loop = fake_loop(&backend);
    CHECK(calls == 0); /* the C library's */
    CHECK(cede_set_allocator(&its) == CEDE_EBUSY && cede_set_allocator(NULL) == CEDE_EBUSY);
    CHECK(cede_pool_open(loop, 1, 64, 0, &pool) == CEDE_OK);
    cede_pool_close(pool);
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
    CHECK(calls == 0);
    return 0;
}
