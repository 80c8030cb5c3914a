/*
 * The same program in C++17: an object that owns itself through its requests, a callback without
 * captures, and every header of the API.
 */
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

#include "cede/cede.h"
#include "cede/backend.h"
#include "cede/sim.h"
#include "cede/uring.h"
#include "cede/win32.h"

namespace
{

struct reading {
    cede_req open{};
    cede_req read{};
    cede_loop *loop;
    cede_handle file = 0;
    std::string path;
    char text[64];

    reading(cede_loop *in, std::string_view of) : loop(in), path(of)
    {
        open.user_data = this;
        read.user_data = this;
    }

    static void on_read(cede_req *req, cede_result r)
    {
        std::unique_ptr<reading> self(static_cast<reading *>(req->user_data));
        std::printf("read: %s, %d bytes: %.*s\n", cede_strerror(r.status),
                    static_cast<int>(r.count), static_cast<int>(r.count), self->text);
        cede_drop(self->file);
    }

    static void on_open(cede_req *req, cede_result r)
    {
        auto *self = static_cast<reading *>(req->user_data);
        if (r.status != CEDE_OK) {
            std::printf("open: %s\n", cede_strerror(r.status));
            delete self;
            return;
        }
        self->file = r.handle;
        cede_prep_read(&self->read, r.handle, self->text, sizeof self->text, 0);
        cede_submit(self->loop, &self->read, on_read);
    }
};

} // namespace

int main(int argc, char **argv)
{
    cede_loop *loop = nullptr;
    char why[512] = "";
    cede_options options = CEDE_OPTIONS_INIT;
    cede_req nop;

    if (argc != 2 || cede_version() != CEDE_VERSION)
        return 2;
    options.why = why;
    options.why_bytes = sizeof why;
    if (cede_status status = cede_loop_open(&options, &loop)) {
        std::printf("no loop: %s\n", why);
        return status == CEDE_EPERM || status == CEDE_ENOTSUP ? 77 : 1;
    }
    cede_prep_nop(&nop);
    cede_submit(loop, &nop, [](cede_req *, cede_result r) {
        std::printf("nop: %s\n", cede_strerror(r.status));
    });
    auto *self = new reading(loop, argv[1]);
    cede_prep_open(&self->open, self->path.c_str(), CEDE_OPEN_READ, 0);
    cede_submit(loop, &self->open, reading::on_open);
    CEDE_GONE(self);
    (void)cede_run(loop, CEDE_FOREVER);
    return cede_loop_close(loop, CEDE_FOREVER) ? 1 : 0;
}
