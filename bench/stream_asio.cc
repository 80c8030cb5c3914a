// asio's sender: async_write of a piece, and of the next when that is done. Main thread.
#define ASIO_STANDALONE    1
#define ASIO_NO_DEPRECATED 1
#include <asio.hpp>

#include "stream.h"

namespace
{

struct sender {
    explicit sender(stream *owner) : s(owner), context(1), socket(context)
    {
        socket.assign(asio::ip::tcp::v4(), s->fd);
    }

    void next()
    {
        if (!stream_begin(s))
            return;
        asio::async_write(socket, asio::buffer(stream_piece(s, 0), STREAM_BYTES),
                          [this](const asio::error_code &error, std::size_t sent) {
                              stream_ended(s, error ? -error.value() : static_cast<long>(sent));
                              next();
                          });
    }

    stream *s;
    asio::io_context context;
    asio::ip::tcp::socket socket;
};

} // namespace

void stream_asio_open(void **inside, stream *s)
{
    *inside = new sender(s);
}

void stream_asio_run(void *inside, stream *)
{
    auto *self = static_cast<sender *>(inside);
    self->context.restart();
    self->next();
    self->context.run();
}

void stream_asio_close(void *inside)
{
    delete static_cast<sender *>(inside);
}
