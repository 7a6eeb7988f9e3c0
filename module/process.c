/*
 * The life of the library in a process: C_Initialize, C_Finalize, fork(), and which server it is.
 *
 * CLAVIGER_PKCS11, or the string that pReserved points to, names the server's socket:
 * `unix:path=/...` with %xx for odd characters, or a plain path. Without it, the sockets are tried
 * that a server opens by default, and then an agent is started. Any other string in pReserved is
 * carried to the server, which knows what the systems that Claviger replaces have there.
 */
#include "claviger.h"
#include "calls.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define PATH_BYTES sizeof(((struct sockaddr_un *)NULL)->sun_path)
#define DEFAULT_ADDRESSES 5
#define DEFAULT_SECONDS 120
#define MAX_SECONDS 86400
#define DEFAULT_SPIN_MICROSECONDS 200
#define MAX_SPIN_MICROSECONDS 10000
/* For C_Finalize, which has nothing to wait for. */
#define FINALIZE_SECONDS 5
#define APPLICATION_BYTES 16
/* Longest string in pReserved. */
#define RESERVED_BYTES 4096

/* Between C_Initialize and C_Finalize; read by every call. */
static atomic_bool is_initialised;
/* Initialised before fork() made this process. */
static atomic_bool is_inherited;
static atomic_uint seconds = DEFAULT_SECONDS;
static atomic_uint spin;
static _Atomic uint64_t epoch;
/* Largest request that the server takes. */
static atomic_size_t body_max = BODY_MAX;
static _Atomic pid_t owner;

/* One thread at a time begins, ends, or looks for a server anew. */
static pthread_mutex_t starting = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool carries_on;
static bool has_agent;
static bool has_reserved;
static char reserved[RESERVED_BYTES];
static uint8_t application[APPLICATION_BYTES];
/* Where the server was found, and where it wants further connections. */
static char origin[PATH_BYTES];
static char address[PATH_BYTES];

unsigned process_seconds(void)
{
    return atomic_load(&seconds);
}

unsigned process_spin(void)
{
    return atomic_load(&spin);
}

size_t process_body_max(void)
{
    return atomic_load(&body_max);
}

/* --- fork --- */

static void before_fork(void)
{
    connections_before_fork();
    memory_before_fork();
}

static void in_parent(void)
{
    memory_after_fork();
    connections_after_fork(false);
}

static void in_child(void)
{
    memory_after_fork();
    connections_after_fork(true);
    memory_clear();
    pthread_mutex_init(&starting, NULL);
    if (atomic_exchange(&is_initialised, false))
        atomic_store(&is_inherited, true);
    atomic_store(&owner, getpid());
}

static void watch_forks(void)
{
    pthread_atfork(before_fork, in_parent, in_child);
}

/* A copy of the process that nobody told us about, such as clone() makes. */
static void notice_fork(void)
{
    before_fork();
    if (atomic_load(&owner) == getpid())
        in_parent();
    else
        in_child();
}

static CK_RV start(void);

CK_RV process_enter(void)
{
    if (atomic_load(&is_initialised)) {
        if (atomic_load(&owner) == getpid())
            return CKR_OK;
        notice_fork();
    }
    if (!atomic_load(&is_inherited) || !carries_on)
        return CKR_CRYPTOKI_NOT_INITIALIZED;
    pthread_mutex_lock(&starting);
    const CK_RV rv = atomic_load(&is_initialised) ? CKR_OK : start();
    pthread_mutex_unlock(&starting);
    return rv;
}

/* --- where the server is --- */

static int digit(char character)
{
    if (character >= '0' && character <= '9')
        return character - '0';
    if (character >= 'a' && character <= 'f')
        return character - 'a' + 10;
    return character >= 'A' && character <= 'F' ? character - 'A' + 10 : -1;
}

/* The path in an address; false where it is none. */
static bool read_address(const char *text, char *path)
{
    static const char scheme[] = "unix:path=";
    const bool is_encoded = strncmp(text, scheme, sizeof scheme - 1) == 0;
    size_t length = 0;
    if (is_encoded)
        text += sizeof scheme - 1;
    if (*text != '/')
        return false;
    for (; *text != '\0' && length < PATH_BYTES - 1; text++) {
        char character = *text;
        if (is_encoded && character == '%') {
            if (text[1] == '\0' || digit(text[1]) < 0 || digit(text[2]) < 0)
                return false;
            character = (char)(digit(text[1]) * 16 + digit(text[2]));
            text += 2;
        }
        if (character == '\0')
            return false;
        path[length++] = character;
    }
    path[length] = '\0';
    return *text == '\0';
}

static bool is_socket(const char *path)
{
    struct stat found;
    return stat(path, &found) == 0 && S_ISSOCK(found.st_mode);
}

/* The server that somebody has named; false where nobody has. */
static bool named_address(char *path, bool *is_wrong)
{
    *is_wrong = false;
    if (has_reserved && read_address(reserved, path) &&
        (strncmp(reserved, "unix:", 5) == 0 || is_socket(path)))
        return true;
    const char *variable = secure_getenv("CLAVIGER_PKCS11");
    if (variable == NULL || *variable == '\0')
        return false;
    *is_wrong = !read_address(variable, path);
    return true;
}

/* Where a server or an agent may listen whom nobody has named: on the data directory that is named
 * or the user's own, and on the sockets of this user and of the machine. */
static bool default_address(size_t index, char *path)
{
    static const struct { const char *variable, *rest; } places[DEFAULT_ADDRESSES] = {
        {"CLAVIGER_DATA", "/run/pkcs11.sock"},
        {"XDG_RUNTIME_DIR", "/claviger/pkcs11.sock"},
        {"XDG_DATA_HOME", "/claviger/run/pkcs11.sock"},
        {"HOME", "/.local/share/claviger/run/pkcs11.sock"},
        {NULL, "/run/claviger/pkcs11.sock"},
    };
    const char *variable = places[index].variable;
    const char *folder = variable == NULL ? "" : secure_getenv(variable);
    if (folder == NULL || (variable != NULL && folder[0] != '/'))
        return false;
    return (size_t)snprintf(path, PATH_BYTES, "%s%s", folder, places[index].rest) < PATH_BYTES;
}

/* --- joining it --- */

static bool put_u64(struct bytes *bytes, uint64_t value)
{
    return bytes_put_u32(bytes, (uint32_t)(value >> 32)) && bytes_put_u32(bytes, (uint32_t)value);
}

static bool put_string(struct bytes *bytes, const char *text)
{
    if (text == NULL)
        return bytes_put_u32(bytes, NONE);
    return bytes_put_u32(bytes, (uint32_t)strlen(text)) && bytes_put(bytes, text, strlen(text));
}

static bool write_join(struct bytes *request)
{
    static const uint8_t header[HEADER_BYTES];
    return bytes_put(request, header, sizeof header) && bytes_put_u32(request, CALL_C_Initialize) &&
           bytes_put_u32(request, APPLICATION_BYTES) &&
           bytes_put(request, application, APPLICATION_BYTES) &&
           put_u64(request, (uint64_t)getpid()) &&
           put_string(request, has_reserved ? reserved : NULL);
}

static CK_RV read_join(struct reader *answer)
{
    const uint32_t id = read_u32(answer);
    const CK_RV rv = read_u32(answer);
    if (answer->is_bad || id != CALL_C_Initialize)
        return CKR_FUNCTION_FAILED;
    if (rv != CKR_OK)
        return rv;
    const uint32_t length = read_u32(answer);
    const uint8_t *further = length == NONE ? NULL : read_bytes(answer, length);
    const uint64_t now = read_u64(answer);
    const uint64_t most = read_u64(answer);
    if (answer->is_bad || (further != NULL && length >= PATH_BYTES))
        return CKR_FUNCTION_FAILED;
    const bool is_path = further != NULL && length > 0 && memchr(further, 0, length) == NULL;
    strcpy(address, origin);
    if (is_path) {
        memcpy(address, further, length);
        address[length] = '\0';
    }
    atomic_store(&body_max, most < BODY_MAX ? (size_t)most : BODY_MAX);
    /* Another server, or the same one after a restart: nothing of before is known there. */
    if (atomic_exchange(&epoch, now) != now)
        memory_clear();
    return CKR_OK;
}

/* C_Initialize over one connection: every connection of a process says whose it is. */
static CK_RV join(struct connection *connection)
{
    struct bytes request = {0};
    struct reader answer;
    CK_RV rv = CKR_HOST_MEMORY;
    if (write_join(&request)) {
        rv = connection_exchange(connection, &request, process_seconds(), &answer)
                 ? read_join(&answer)
                 : CKR_FUNCTION_FAILED;
    }
    bytes_wipe(&request);
    free(request.data);
    if (rv != CKR_OK)
        connection_retire(connection);
    else
        connection_joined(connection);
    return rv;
}

static CK_RV join_at(struct connection *connection, const char *path)
{
    return connection_dial(connection, path) ? join(connection) : CKR_FUNCTION_FAILED;
}

static CK_RV join_agent(struct connection *connection)
{
    const int fd = agent_start();
    if (fd < 0 || !connection_adopt(connection, fd))
        return CKR_FUNCTION_FAILED;
    has_agent = true;
    origin[0] = '\0';
    return join(connection);
}

static CK_RV find_server(struct connection *connection)
{
    char path[PATH_BYTES];
    bool is_wrong;
    has_agent = false;
    if (named_address(path, &is_wrong)) {
        if (is_wrong)
            return CKR_ARGUMENTS_BAD;
        return join_at(connection, strcpy(origin, path));
    }
    for (size_t index = 0; index < DEFAULT_ADDRESSES; index++) {
        if (default_address(index, path) && connection_dial(connection, path)) {
            strcpy(origin, path);
            return join(connection);
        }
    }
    return join_agent(connection);
}

CK_RV process_connect(struct connection *connection)
{
    pthread_mutex_lock(&starting);
    CK_RV rv = CKR_CRYPTOKI_NOT_INITIALIZED;
    if (atomic_load(&is_initialised)) {
        rv = join_at(connection, address);
        if (rv != CKR_OK && has_agent)
            rv = join_agent(connection);
        else if (rv != CKR_OK && strcmp(origin, address) != 0)
            rv = join_at(connection, origin);
        if (rv != CKR_OK)
            rv = CKR_DEVICE_REMOVED;
    }
    pthread_mutex_unlock(&starting);
    return rv;
}

/* --- C_Initialize and C_Finalize --- */

static unsigned read_number(const char *name, unsigned least, unsigned most, unsigned usual)
{
    const char *text = secure_getenv(name);
    char *end = NULL;
    const unsigned long value = text == NULL ? 0 : strtoul(text, &end, 10);
    const bool is_number = end != NULL && end != text && *end == '\0';
    return is_number && value >= least && value <= most ? (unsigned)value : usual;
}

/* Looking for an answer is of use only where another processor works on it. */
static unsigned usual_spin(void)
{
    return sysconf(_SC_NPROCESSORS_ONLN) > 1 ? DEFAULT_SPIN_MICROSECONDS : 0;
}

/* With `starting` held. */
static CK_RV start(void)
{
    if (getrandom(application, sizeof application, 0) != sizeof application)
        return CKR_FUNCTION_FAILED;
    struct connection *connection = connection_take();
    if (connection == NULL)
        return CKR_HOST_MEMORY;
    atomic_store(&seconds,
                 read_number("CLAVIGER_TIMEOUT_SECONDS", 1, MAX_SECONDS, DEFAULT_SECONDS));
    atomic_store(&spin, read_number("CLAVIGER_SPIN_MICROSECONDS", 0, MAX_SPIN_MICROSECONDS,
                                    usual_spin()));
    memory_clear();
    connection_close(connection);
    const CK_RV rv = find_server(connection);
    connection_release(connection);
    if (rv == CKR_OK) {
        atomic_store(&owner, getpid());
        atomic_store(&is_inherited, false);
        atomic_store(&is_initialised, true);
    }
    return rv;
}

/* pReserved is a string, or nothing that can be read: then the kernel says so, and we go on. */
static CK_RV read_reserved(const char *text)
{
    has_reserved = false;
    if (text == NULL)
        return CKR_OK;
    if (access(text, F_OK) != 0 && errno == EFAULT)
        return CKR_ARGUMENTS_BAD;
    const size_t length = strnlen(text, RESERVED_BYTES);
    if (length == RESERVED_BYTES)
        return CKR_ARGUMENTS_BAD;
    memcpy(reserved, text, length + 1);
    has_reserved = true;
    return CKR_OK;
}

static CK_RV read_arguments(const CK_C_INITIALIZE_ARGS *arguments)
{
    if (arguments == NULL)
        return read_reserved(NULL);
    const int callbacks = (arguments->CreateMutex != NULL) + (arguments->DestroyMutex != NULL) +
                          (arguments->LockMutex != NULL) + (arguments->UnlockMutex != NULL);
    if (callbacks != 0 && callbacks != 4)
        return CKR_ARGUMENTS_BAD;
    /* We lock with what the system has. */
    if (callbacks == 4 && (arguments->flags & CKF_OS_LOCKING_OK) == 0)
        return CKR_CANT_LOCK;
    return read_reserved(arguments->pReserved);
}

EXPORT CK_RV C_Initialize(void *pInitArgs)
{
    pthread_once(&once, watch_forks);
    pthread_mutex_lock(&starting);
    /* As in process_enter(): what a copied process thinks of itself is its parent's. */
    const bool is_here = atomic_load(&is_initialised) && atomic_load(&owner) == getpid();
    CK_RV rv = is_here ? CKR_CRYPTOKI_ALREADY_INITIALIZED : read_arguments(pInitArgs);
    if (rv == CKR_OK) {
        const char *variable = secure_getenv("CLAVIGER_FORK");
        carries_on = variable != NULL && strcmp(variable, "reinitialise") == 0;
        rv = start();
    }
    pthread_mutex_unlock(&starting);
    return rv;
}

EXPORT CK_RV C_Finalize(void *pReserved)
{
    struct call call;
    if (!call_begin(&call, CALL_C_Finalize, 0, 0, PLAIN))
        return call.rv;
    if (pReserved != NULL) {
        call.rv = CKR_ARGUMENTS_BAD;
        return call_end(&call);
    }
    /* Of two threads one has ended it, and the other comes too late. */
    if (!atomic_exchange(&is_initialised, false)) {
        call.rv = CKR_CRYPTOKI_NOT_INITIALIZED;
        return call_end(&call);
    }
    /* A server that does not answer has forgotten us already, or will. */
    if (connection_alive(call.connection)) {
        struct reader answer;
        connection_exchange(call.connection, call.request, FINALIZE_SECONDS, &answer);
    }
    call_end(&call);
    pthread_mutex_lock(&starting);
    connections_finish();
    memory_clear();
    pthread_mutex_unlock(&starting);
    return CKR_OK;
}
