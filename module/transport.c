/*
 * Connections to the server: one for each thread that calls, none shared.
 *
 * A thread keeps its connection until it ends; then the next new thread has it, so that an
 * application whose threads come and go is not taken for one that has gone. What is done here must
 * hold in a process that forks, that closes descriptors which it does not know, that is in the
 * midst of exit(), and whose server was restarted.
 */
#include "claviger.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CONNECT_SECONDS 5
/* Connections that are kept open without a thread. */
#define IDLE_MAX 8
/* Buffers above this are given back after the call. */
#define KEPT_BYTES ((size_t)256 << 10)
/* After so many answers that did not come soon one is looked for again. */
#define MISSES_MAX 63
#define FIRST_BYTES ((size_t)16 << 10)

static pthread_mutex_t list = PTHREAD_MUTEX_INITIALIZER;
static struct connection *all;
static pthread_key_t mine;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool has_key;

/* --- bytes --- */

bool bytes_reserve(struct bytes *bytes, size_t capacity)
{
    if (capacity <= bytes->capacity)
        return true;
    if (capacity > BODY_MAX + HEADER_BYTES)
        return false;
    size_t wanted = bytes->capacity < FIRST_BYTES ? FIRST_BYTES : bytes->capacity * 2;
    if (wanted < capacity)
        wanted = capacity;
    /* Not realloc(), which may leave a copy behind. */
    uint8_t *data = malloc(wanted);
    if (data == NULL)
        return false;
    if (bytes->length > 0)
        memcpy(data, bytes->data, bytes->length);
    if (bytes->data != NULL)
        explicit_bzero(bytes->data, bytes->length);
    free(bytes->data);
    bytes->data = data;
    bytes->capacity = wanted;
    return true;
}

bool bytes_put(struct bytes *bytes, const void *data, size_t length)
{
    if (length > BODY_MAX || !bytes_reserve(bytes, bytes->length + length))
        return false;
    if (length > 0)
        memcpy(bytes->data + bytes->length, data, length);
    bytes->length += length;
    return true;
}

static void store_u32(uint8_t *place, uint32_t value)
{
    for (int index = 0; index < 4; index++)
        place[index] = (uint8_t)(value >> (24 - 8 * index));
}

bool bytes_put_u32(struct bytes *bytes, uint32_t value)
{
    uint8_t data[4];
    store_u32(data, value);
    return bytes_put(bytes, data, sizeof data);
}

void bytes_wipe(struct bytes *bytes)
{
    if (bytes->data != NULL)
        explicit_bzero(bytes->data, bytes->length);
    bytes->length = 0;
    if (bytes->capacity > KEPT_BYTES) {
        free(bytes->data);
        bytes->data = NULL;
        bytes->capacity = 0;
    }
}

const uint8_t *read_bytes(struct reader *reader, size_t length)
{
    if (reader->is_bad || (size_t)(reader->end - reader->at) < length) {
        reader->is_bad = true;
        return NULL;
    }
    const uint8_t *found = reader->at;
    reader->at += length;
    return found;
}

static uint64_t read_number(struct reader *reader, size_t length)
{
    const uint8_t *found = read_bytes(reader, length);
    uint64_t value = 0;
    for (size_t index = 0; found != NULL && index < length; index++)
        value = value << 8 | found[index];
    return value;
}

uint8_t read_u8(struct reader *reader)
{
    return (uint8_t)read_number(reader, 1);
}

uint32_t read_u32(struct reader *reader)
{
    return (uint32_t)read_number(reader, 4);
}

uint64_t read_u64(struct reader *reader)
{
    return read_number(reader, 8);
}

/* --- whose connection it is --- */

/* Whether the descriptor is still the socket that was opened. */
static bool is_ours(const struct link *link)
{
    struct stat now;
    return link->fd >= 0 && fstat(link->fd, &now) == 0 && S_ISSOCK(now.st_mode) &&
           now.st_dev == link->device && now.st_ino == link->inode;
}

static void close_link(struct link *link)
{
    /* A number that is somebody else's by now stays open. */
    if (is_ours(link))
        close(link->fd);
    link->fd = -1;
}

/*
 * C_Finalize looks at connections that other threads have, to wake them: what a link is changes
 * with the list locked.
 */
static void close_links(struct connection *connection)
{
    close_link(&connection->link);
    close_link(&connection->retired);
}

void connection_close(struct connection *connection)
{
    pthread_mutex_lock(&list);
    close_links(connection);
    pthread_mutex_unlock(&list);
}

void connection_retire(struct connection *connection)
{
    pthread_mutex_lock(&list);
    if (connection->link.fd >= 0) {
        close_link(&connection->retired);
        connection->retired = connection->link;
        connection->link.fd = -1;
    }
    pthread_mutex_unlock(&list);
}

void connection_joined(struct connection *connection)
{
    pthread_mutex_lock(&list);
    close_link(&connection->retired);
    pthread_mutex_unlock(&list);
}

static bool is_open(const struct connection *connection)
{
    return connection->link.fd >= 0;
}

bool connection_alive(struct connection *connection)
{
    uint8_t byte;
    if (!is_open(connection))
        return false;
    /* Between calls a server says nothing: what can be read is its end, or out of step. */
    if (is_ours(&connection->link) &&
        recv(connection->link.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
        (errno == EAGAIN || errno == EINTR))
        return true;
    connection_retire(connection);
    return false;
}

/* A thread has ended: the next one has its connection. */
static void give_back(void *value)
{
    struct connection *connection = value;
    unsigned idle = 0;
    pthread_mutex_lock(&list);
    connection->is_taken = false;
    for (const struct connection *other = all; other != NULL; other = other->next)
        idle += !other->is_taken && is_open(other);
    if (idle > IDLE_MAX)
        close_links(connection);
    pthread_mutex_unlock(&list);
}

static void make_key(void)
{
    has_key = pthread_key_create(&mine, give_back) == 0;
}

static struct connection *make_connection(void)
{
    struct connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL)
        return NULL;
    pthread_mutex_init(&connection->busy, NULL);
    connection->link.fd = connection->retired.fd = -1;
    connection->next = all;
    all = connection;
    return connection;
}

static struct connection *assign(void)
{
    struct connection *found = NULL;
    pthread_mutex_lock(&list);
    for (struct connection *one = all; one != NULL; one = one->next) {
        if (!one->is_taken && (found == NULL || (!is_open(found) && is_open(one))))
            found = one;
    }
    if (found == NULL)
        found = make_connection();
    if (found != NULL)
        found->is_taken = true;
    pthread_mutex_unlock(&list);
    if (found != NULL && pthread_setspecific(mine, found) != 0) {
        give_back(found);
        return NULL;
    }
    return found;
}

struct connection *connection_take(void)
{
    pthread_once(&once, make_key);
    if (!has_key)
        return NULL;
    struct connection *connection = pthread_getspecific(mine);
    if (connection == NULL)
        connection = assign();
    if (connection != NULL)
        pthread_mutex_lock(&connection->busy);
    return connection;
}

void connection_release(struct connection *connection)
{
    bytes_wipe(&connection->request);
    bytes_wipe(&connection->answer);
    bytes_wipe(&connection->shape);
    pthread_mutex_unlock(&connection->busy);
}

void connections_finish(void)
{
    pthread_mutex_lock(&list);
    for (struct connection *one = all; one != NULL; one = one->next) {
        if (pthread_mutex_trylock(&one->busy) == 0) {
            close_links(one);
            pthread_mutex_unlock(&one->busy);
        } else if (is_ours(&one->link)) {
            /* Wakes the thread that waits in it, which then closes it. */
            shutdown(one->link.fd, SHUT_RDWR);
        }
    }
    pthread_mutex_unlock(&list);
}

void connections_before_fork(void)
{
    pthread_mutex_lock(&list);
}

void connections_after_fork(bool is_child)
{
    if (is_child) {
        for (struct connection *one = all; one != NULL; one = one->next) {
            /* The threads that had them are not here; closing a copy is nothing to the parent. */
            if (pthread_mutex_trylock(&one->busy) != 0) {
                /* In the midst of a call: it may have freed what it still points to. */
                one->request = one->answer = one->shape = (struct bytes){0};
            }
            pthread_mutex_init(&one->busy, NULL);
            one->is_taken = false;
            close_links(one);
        }
        if (has_key)
            pthread_setspecific(mine, NULL);
    }
    pthread_mutex_unlock(&list);
}

/* --- bytes over a socket --- */

static int64_t now_milliseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Waits until something can be done; 0 for `until`: as long as it takes. */
static bool await(int fd, short events, int64_t until)
{
    for (;;) {
        int64_t left = until == 0 ? -1 : until - now_milliseconds();
        if (until != 0 && left <= 0)
            return false;
        struct pollfd waited = {.fd = fd, .events = events};
        int ready = poll(&waited, 1, (int)left);
        if (ready > 0)
            return true;
        if (ready < 0 && errno != EINTR)
            return false;
    }
}

static bool send_all(int fd, const uint8_t *data, size_t length, int64_t until)
{
    while (length > 0) {
        ssize_t sent = send(fd, data, length, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && errno == EAGAIN) {
            if (!await(fd, POLLOUT, until))
                return false;
            continue;
        }
        if (sent <= 0)
            return false;
        data += sent;
        length -= (size_t)sent;
    }
    return true;
}

/* Reads at least `least` bytes behind what `bytes` has, and at most what it has room for. */
static bool receive(int fd, struct bytes *bytes, size_t least, int64_t until)
{
    const size_t enough = bytes->length + least;
    while (bytes->length < enough) {
        if (!await(fd, POLLIN, until))
            return false;
        ssize_t got = recv(fd, bytes->data + bytes->length, bytes->capacity - bytes->length,
                           MSG_DONTWAIT);
        if (got < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (got <= 0)
            return false;
        bytes->length += (size_t)got;
    }
    return true;
}

static int64_t now_nanoseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* One thread of a process at a time; a child of fork() that finds it set sleeps as it used to. */
static atomic_flag is_looking = ATOMIC_FLAG_INIT;

/*
 * To sleep and be woken by another processor takes longer than most answers, above all in a virtual
 * machine: so we look again and again for a while first. A thread whose answers take longer than
 * that does so ever more rarely. -1: there is nothing yet.
 */
static ssize_t receive_soon(struct connection *connection)
{
    struct bytes *bytes = &connection->answer;
    const int64_t patience = (int64_t)process_spin() * 1000;
    if (patience == 0 || connection->skipped++ < connection->misses ||
        atomic_flag_test_and_set(&is_looking))
        return -1;
    const int64_t until = now_nanoseconds() + patience;
    ssize_t got;
    do
        got = recv(connection->link.fd, bytes->data, bytes->capacity, MSG_DONTWAIT);
    while (got < 0 && errno == EAGAIN && now_nanoseconds() < until);
    atomic_flag_clear(&is_looking);
    connection->skipped = 0;
    if (got >= 0)
        connection->misses = 0;
    else if (connection->misses < MISSES_MAX)
        connection->misses = connection->misses * 2 + 1;
    return got;
}

/* Most answers come in one piece, within the time that the socket itself waits: one call for it. */
static bool receive_first(struct connection *connection)
{
    struct bytes *bytes = &connection->answer;
    ssize_t got = receive_soon(connection);
    if (got < 0)
        got = recv(connection->link.fd, bytes->data, bytes->capacity, 0);
    if (got < 0 && errno == EINTR)
        return true;
    bytes->length = got > 0 ? (size_t)got : 0;
    return got > 0;
}

static bool read_frame(struct connection *connection, bool is_patient, int64_t until,
                       struct reader *body)
{
    struct bytes *answer = &connection->answer;
    const int fd = connection->link.fd;
    answer->length = 0;
    if (!bytes_reserve(answer, FIRST_BYTES) || (is_patient && !receive_first(connection)))
        return false;
    if (answer->length < HEADER_BYTES &&
        !receive(fd, answer, HEADER_BYTES - answer->length, until))
        return false;
    struct reader header = {.at = answer->data, .end = answer->data + HEADER_BYTES};
    const uint32_t code = read_u32(&header), options = read_u32(&header);
    const size_t whole = HEADER_BYTES + (size_t)read_u32(&header);
    if (code != connection->code || options != 0 || whole > HEADER_BYTES + BODY_MAX)
        return false;
    if (answer->length < whole) {
        if (!bytes_reserve(answer, whole) ||
            !receive(fd, answer, whole - answer->length, until))
            return false;
    }
    *body = (struct reader){.at = answer->data + HEADER_BYTES, .end = answer->data + whole};
    /* One answer to one request: more is out of step. */
    return answer->length == whole;
}

bool connection_exchange(struct connection *connection, struct bytes *request, unsigned seconds,
                         struct reader *body)
{
    const int64_t until = seconds == 0 ? 0 : now_milliseconds() + (int64_t)seconds * 1000;
    connection->code++;
    if (connection->code == 0)
        connection->code = 1;
    store_u32(request->data, connection->code);
    store_u32(request->data + 4, 0);
    store_u32(request->data + 8, (uint32_t)(request->length - HEADER_BYTES));
    if (send_all(connection->link.fd, request->data, request->length, until) &&
        read_frame(connection, seconds == process_seconds(), until, body))
        return true;
    /* What comes later would be taken for the answer to something else. */
    connection_retire(connection);
    return false;
}

/* --- finding a server --- */

/* The version of the protocol that only Claviger's module and server speak. */
#define DIALECT 0xc1

static bool agree(int fd, int64_t until)
{
    const uint8_t offered = DIALECT;
    uint8_t chosen = 0;
    struct bytes place = {.data = &chosen, .capacity = 1};
    return send_all(fd, &offered, 1, until) && receive(fd, &place, 1, until) && chosen == DIALECT;
}

/* From here the descriptor is the connection's, or closed. */
static bool adopt(struct connection *connection, int fd, unsigned seconds)
{
    struct stat found;
    if (fstat(fd, &found) != 0 || !agree(fd, now_milliseconds() + (int64_t)seconds * 1000)) {
        close(fd);
        return false;
    }
    const struct timeval patience = {.tv_sec = process_seconds()};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    pthread_mutex_lock(&list);
    connection->link = (struct link){fd, found.st_dev, found.st_ino};
    pthread_mutex_unlock(&list);
    connection->code = 0;
    return true;
}

/* An agent is a program that has yet to start. */
bool connection_adopt(struct connection *connection, int fd)
{
    return adopt(connection, fd, 4 * CONNECT_SECONDS);
}

/* A signal ends the wait for a place in the server's queue, and a full queue makes it wait. */
static bool connect_to(int fd, const struct sockaddr_un *address)
{
    const int64_t until = now_milliseconds() + (int64_t)CONNECT_SECONDS * 1000;
    while (connect(fd, (const struct sockaddr *)address, sizeof *address) != 0) {
        if (errno != EINTR || now_milliseconds() >= until)
            return false;
    }
    return true;
}

bool connection_dial(struct connection *connection, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (path[0] != '/' || strlen(path) >= sizeof address.sun_path)
        return false;
    memcpy(address.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    /* A full queue makes connect() wait. */
    const struct timeval patience = {.tv_sec = CONNECT_SECONDS};
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (!connect_to(fd, &address)) {
        close(fd);
        return false;
    }
    return adopt(connection, fd, CONNECT_SECONDS);
}

/* --- starting an agent --- */

/* How many descriptors are looked at. */
#define OPEN_MAX_SEEN 65536

static bool is_program(const char *path)
{
    struct stat found;
    return stat(path, &found) == 0 && S_ISREG(found.st_mode) && access(path, X_OK) == 0;
}

/* `claviger` in a folder of the PATH. */
static bool program_on_path(char *place)
{
    const char *at = secure_getenv("PATH");
    while (at != NULL && *at != '\0') {
        const size_t length = strcspn(at, ":");
        if (length > 0 && at[0] == '/' && length < PATH_MAX - sizeof "/claviger") {
            snprintf(place, PATH_MAX, "%.*s/claviger", (int)length, at);
            if (is_program(place))
                return true;
        }
        at += length + (at[length] == ':');
    }
    return false;
}

/* bin/claviger of the checkout or the package that this module lies in. */
static bool program_nearby(char *place)
{
    Dl_info here;
    char path[PATH_MAX];
    if (dladdr((void *)&has_key, &here) == 0 || realpath(here.dli_fname, path) == NULL)
        return false;
    for (int level = 0; level < 5; level++) {
        char *slash = strrchr(path, '/');
        if (slash == NULL)
            return false;
        *slash = '\0';
        if (strlen(path) < PATH_MAX - sizeof "/bin/claviger") {
            stpcpy(stpcpy(place, path), "/bin/claviger");
            if (is_program(place))
                return true;
        }
    }
    return false;
}

static bool find_program(char *place)
{
    const char *named = secure_getenv("CLAVIGER_AGENT");
    if (named == NULL)
        return program_on_path(place) || program_nearby(place);
    if (strlen(named) >= PATH_MAX)
        return false;
    strcpy(place, named);
    return is_program(place);
}

/* The agent has its socket as descriptor 3, nothing to read and nowhere to write. */
static bool describe(posix_spawn_file_actions_t *actions, int fd)
{
    if (posix_spawn_file_actions_addopen(actions, 0, "/dev/null", O_RDONLY, 0) != 0 ||
        posix_spawn_file_actions_addopen(actions, 1, "/dev/null", O_WRONLY, 0) != 0 ||
        posix_spawn_file_actions_adddup2(actions, 1, 2) != 0 ||
        posix_spawn_file_actions_adddup2(actions, fd, 3) != 0)
        return false;
    /* What the application has open, and has not marked, is none of the agent's business. */
    const long allowed = sysconf(_SC_OPEN_MAX);
    const long max = allowed >= 0 && allowed < OPEN_MAX_SEEN ? allowed : OPEN_MAX_SEEN;
    for (int other = 4; other < max; other++) {
        const int flags = fcntl(other, F_GETFD);
        if (flags >= 0 && (flags & FD_CLOEXEC) == 0 &&
            posix_spawn_file_actions_addclose(actions, other) != 0)
            return false;
    }
    return true;
}

static bool spawn(const char *program, int fd)
{
    /* A shell between us lets go of the agent: it must not be the child of an application that
     * waits for its own children. */
    char *const arguments[] = {"sh",    "-c", "\"$0\" agent --fd 3 &", (char *)program,
                               NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, every;
    pid_t child;
    sigemptyset(&none);
    sigfillset(&every);
    if (posix_spawn_file_actions_init(&actions) != 0)
        return false;
    if (posix_spawnattr_init(&attributes) != 0) {
        posix_spawn_file_actions_destroy(&actions);
        return false;
    }
    bool is_started =
        describe(&actions, fd) && posix_spawnattr_setsigmask(&attributes, &none) == 0 &&
        posix_spawnattr_setsigdefault(&attributes, &every) == 0 &&
        posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK |
                                                  POSIX_SPAWN_SETSIGDEF) == 0 &&
        posix_spawn(&child, "/bin/sh", &actions, &attributes, arguments, environ) == 0;
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    /* An application that ignores SIGCHLD has reaped the shell already: that is no failure. */
    while (is_started && waitpid(child, NULL, 0) < 0 && errno == EINTR)
        ;
    return is_started;
}

int agent_start(void)
{
    char program[PATH_MAX];
    int ends[2];
    /* Never with the rights of somebody other than who called. */
    if (getauxval(AT_SECURE) != 0 || !find_program(program))
        return -1;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return -1;
    /* dup2() onto itself would leave the agent's end marked to be closed. */
    const int theirs = fcntl(ends[1], F_DUPFD_CLOEXEC, 4);
    close(ends[1]);
    const bool is_started = theirs >= 0 && spawn(program, theirs);
    if (theirs >= 0)
        close(theirs);
    if (is_started)
        return ends[0];
    close(ends[0]);
    return -1;
}
