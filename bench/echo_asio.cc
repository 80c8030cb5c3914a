// asio's server, as its own examples write one: a session with a buffer, async_read_some, then
// async_write of what came, and so on. One thread, and told so. Main thread.
#define ASIO_STANDALONE    1
#define ASIO_NO_DEPRECATED 1
#include <asio.hpp>

#include <new>

#include "echo.h"

namespace
{

using tcp = asio::ip::tcp;

struct server;

struct session {
    session(server &owner, tcp::socket &&accepted);
    ~session();
    void receive();
    void send(std::size_t length);

    server &s;
    tcp::socket socket;
    session *next = nullptr, **place = nullptr;
    char *buffer;
};

struct inside {
    explicit inside(int listener) : context(1), acceptor(context, tcp::v4(), listener)
    {
    }
    asio::io_context context;
    tcp::acceptor acceptor;
};

struct server {
    echo e;
    inside *in;
    session *sessions;

    void count(unsigned what, std::uint64_t number)
    {
        if (echo_count(&e, what, number))
            in->context.stop();
    }
    void accept();
};

session::session(server &owner, tcp::socket &&accepted)
    : s(owner), socket(std::move(accepted)), next(owner.sessions), place(&owner.sessions),
      buffer(new char[owner.e.buffer_bytes])
{
    if (next)
        next->place = &next;
    owner.sessions = this;
    owner.e.own_bytes += sizeof *this + owner.e.buffer_bytes;
}

session::~session()
{
    *place = next;
    if (next)
        next->place = place;
    delete[] buffer;
    s.e.own_bytes -= sizeof *this + s.e.buffer_bytes;
}

void session::receive()
{
    socket.async_read_some(asio::buffer(buffer, s.e.buffer_bytes),
                           [this](const asio::error_code &error, std::size_t length) {
                               if (error == asio::error::operation_aborted)
                                   return;
                               if (error) {
                                   server &owner = s;
                                   delete this;
                                   owner.count(ECHO_ENDS, 1);
                               } else {
                                   send(length);
                               }
                           });
}

void session::send(std::size_t length)
{
    asio::async_write(socket, asio::buffer(buffer, length),
                      [this](const asio::error_code &error, std::size_t sent) {
                          if (error == asio::error::operation_aborted)
                              return;
                          if (error)
                              echo_bad("asio", -error.value());
                          receive();
                          s.count(ECHO_BYTES, sent);
                      });
}

void server::accept()
{
    in->acceptor.async_accept([this](const asio::error_code &error, tcp::socket accepted) {
        if (error == asio::error::operation_aborted)
            return;
        if (error)
            echo_bad("asio", -error.value());
        if (e.closes)
            accepted.close();
        else
            (new session(*this, std::move(accepted)))->receive();
        accept();
        count(ECHO_CLIENTS, 1);
    });
}

void open(void *self)
{
    auto *s = static_cast<server *>(self);
    s->in = new inside(s->e.listener);
    s->accept();
}

void run(void *self)
{
    const auto *s = static_cast<server *>(self);
    s->in->context.restart();
    s->in->context.run();
}

void close(void *self)
{
    auto *s = static_cast<server *>(self);
    for (session *each = s->sessions, *next; each; each = next) {
        next = each->next;
        delete each;
    }
    s->in->acceptor.close();
    delete s->in; // and with it what was cancelled
}

} // namespace

extern "C" const echo_side echo_asio = {sizeof(server), open, run, close};
