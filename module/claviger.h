/*
 * What the files of libclaviger.so share.
 *
 * The module carries calls of PKCS#11 to a server that Claviger runs, and nothing else: no
 * cryptography, no TLS, no configuration. calls.c (printed from spec/pkcs11) turns the arguments of
 * every function into bytes and the answer back; marshal.c does so for each kind of argument;
 * transport.c has the connections; memory.c remembers what *Init functions the server accepts;
 * process.c has C_Initialize and C_Finalize; interfaces.c the function lists.
 *
 * A server is not trusted with this process: what it sends is compared with what was asked for, and
 * no answer writes more than the caller has room for.
 */
#ifndef CLAVIGER_H
#define CLAVIGER_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "pkcs11.h"

/* The values of attributes and parameters travel as they lie in memory: of this kind of machine. */
_Static_assert(sizeof(CK_ULONG) == 8 && sizeof(void *) == 8, "libclaviger is for LP64 machines");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "libclaviger is for little-endian");

#define EXPORT __attribute__((visibility("default")))

/* Largest message in either direction. */
#define BODY_MAX ((size_t)64 << 20)
/* How deep templates may stand in templates, and mechanisms in mechanisms. */
#define NESTING_MAX 8
/* Stands for a NULL pointer where a length travels. */
#define NONE UINT32_MAX
/* Stands for a NULL pointer to the length itself: C_SignMessageNext, before the last part. */
#define NO_LENGTH (UINT32_MAX - 1)
/* Bytes of a frame before its body: call code, length of options, length of body. */
#define HEADER_BYTES 12

/* --- bytes that grow, and bytes that are read --- */

struct bytes {
    uint8_t *data;
    size_t length, capacity;
};

bool bytes_put(struct bytes *bytes, const void *data, size_t length);
bool bytes_put_u32(struct bytes *bytes, uint32_t value);
/* Makes room for so many bytes in all. */
bool bytes_reserve(struct bytes *bytes, size_t capacity);
/* Forgets what was held; gives the memory back where it is much. */
void bytes_wipe(struct bytes *bytes);

/* Reads from an answer; once it was short, everything reads as nothing. */
struct reader {
    const uint8_t *at, *end;
    bool is_bad;
};

uint8_t read_u8(struct reader *reader);
uint32_t read_u32(struct reader *reader);
uint64_t read_u64(struct reader *reader);
/* So many bytes of the answer; NULL where they are not there. */
const uint8_t *read_bytes(struct reader *reader, size_t length);

/* --- connections (transport.c) --- */

/* A descriptor, and what it was when it was opened: programs close what they do not know. */
struct link {
    int fd;
    dev_t device;
    ino_t inode;
};

struct connection {
    struct connection *next;
    /* Held during a call, so that C_Finalize closes no connection under another thread's hands. */
    pthread_mutex_t busy;
    bool is_taken;
    struct link link;
    /* One that is out of step: open until another has joined, or the application would end. */
    struct link retired;
    uint32_t code;
    /* Answers that did not come soon, and calls since one was looked for. */
    unsigned misses, skipped;
    struct bytes request, answer, shape;
};

/* The connection of the calling thread, locked; NULL without memory. */
struct connection *connection_take(void);
void connection_release(struct connection *connection);
/* Whether the descriptor is there, is ours and has nothing to say; closes it where it is not. */
bool connection_alive(struct connection *connection);
void connection_close(struct connection *connection);
/* Takes it out of use; when another has joined in its place it is closed. */
void connection_retire(struct connection *connection);
void connection_joined(struct connection *connection);
/* Asks the server behind a path, or behind a socket that is there; false: there is none. */
bool connection_dial(struct connection *connection, const char *path);
bool connection_adopt(struct connection *connection, int fd);
/*
 * Sends a frame whose body stands behind HEADER_BYTES of `request`, and reads the answer's body.
 * False: it was lost, took too long, or the server did not keep to the protocol; it is retired.
 */
bool connection_exchange(struct connection *connection, struct bytes *request, unsigned seconds,
                         struct reader *body);
/* Starts `claviger agent`, and returns a socket to it; -1 where it cannot be started. */
int agent_start(void);
/* Closes what no thread uses, and ends the calls of those that do. */
void connections_finish(void);
/* Around fork(). */
void connections_before_fork(void);
void connections_after_fork(bool is_child);

/* --- the life of the library (process.c) --- */

/* CKR_OK between C_Initialize and C_Finalize, in the process that called it. */
CK_RV process_enter(void);
/* Gives the connection a descriptor that has joined the application. */
CK_RV process_connect(struct connection *connection);
/* Deadline of a call in seconds. */
unsigned process_seconds(void);
/* For how many microseconds an answer is looked for before a thread sleeps; 0: not at all. */
unsigned process_spin(void);
/* Largest body of a request: a larger one would end the connection. */
size_t process_body_max(void);

/* --- calls (marshal.c) --- */

/* Operations of a session. */
enum {
    ENCRYPT = 1 << 0,
    DECRYPT = 1 << 1,
    DIGEST = 1 << 2,
    SIGN = 1 << 3,
    SIGN_RECOVER = 1 << 4,
    VERIFY = 1 << 5,
    VERIFY_RECOVER = 1 << 6,
    MESSAGE_ENCRYPT = 1 << 7,
    MESSAGE_DECRYPT = 1 << 8,
    MESSAGE_SIGN = 1 << 9,
    MESSAGE_VERIFY = 1 << 10,
    VERIFY_SIGNATURE = 1 << 11
};
#define OPERATIONS 12
/* Operations whose Init may be answered from memory. */
#define REPEATABLE (MESSAGE_ENCRYPT - 1)

/* What a function does to the operations of its session. */
enum role {
    PLAIN,     /* nothing */
    INIT,      /* begins one */
    WHOLE,     /* does it in one part */
    UPDATE,    /* does a part */
    FINAL,     /* ends it */
    MESSAGE,   /* uses the parameter of a message */
    FORGETS,   /* may change which Init the server accepts */
    FLUSHES,   /* that, and looks at the operations of its session */
    OPENS,     /* makes a session */
    CLOSES,    /* ends its session */
    CLOSES_ALL, /* ends all sessions of its slot */
    SEARCHES,  /* begins to look for objects, and asks for the first ones */
    FINDS,     /* takes objects that were found */
    FOUND,     /* ends looking for them */
    WAITS      /* takes as long as it takes */
};

/* What a mechanism's parameter is for: one mechanism may have a structure for each. */
enum parameter_use { OF_MECHANISM, OF_MESSAGE, OF_AUTHENTICATED_WRAP };

struct call {
    CK_RV rv;
    uint32_t id;
    /* The slot, where a function is about one. */
    CK_SESSION_HANDLE session;
    unsigned operations;
    enum role role;
    struct connection *connection;
    struct bytes *request;
    struct reader answer;
    /* Where the own request begins, behind others that travel with it. */
    size_t start;
    unsigned batched;
    bool is_asked, is_answered, is_cancel, is_delivered, is_search, ends_search;
    CK_MECHANISM_TYPE mechanism;
    enum parameter_use use;
    /* The structure that points to the one that travels. */
    const uint8_t *outer;
    /* For answering lengths without asking. */
    CK_ULONG input_length;
    const void *output;
    CK_ULONG *output_length;
    CK_SESSION_HANDLE opened;
    /* Objects that were here before the server was asked for more. */
    CK_ULONG *found, found_max, *found_count, found_here;
};

bool call_begin(struct call *call, uint32_t id, CK_SESSION_HANDLE session, unsigned operations,
                enum role role);
void call_run(struct call *call);
CK_RV call_end(struct call *call);

void put_ulong(struct call *call, CK_ULONG value);
void put_bool(struct call *call, CK_BBOOL value);
void put_bytes(struct call *call, const void *data, CK_ULONG length);
void put_padded(struct call *call, const void *data, size_t length);
void put_wanted(struct call *call, const void *data, CK_ULONG *length);
void put_wanted_or_not(struct call *call, const void *data, CK_ULONG *length);
void put_filled(struct call *call, const void *data, CK_ULONG length);
void put_ulongs(struct call *call, const void *data, CK_ULONG *count);
void put_found(struct call *call, CK_ULONG *data, CK_ULONG max, CK_ULONG *count);
void put_template(struct call *call, const CK_ATTRIBUTE *attributes, CK_ULONG count);
void put_values(struct call *call, const CK_ATTRIBUTE *attributes, CK_ULONG count);
void put_mechanism(struct call *call, const CK_MECHANISM *mechanism);
void put_mechanism_authenticated(struct call *call, const CK_MECHANISM *mechanism);
void put_parameter(struct call *call, const void *parameter, CK_ULONG length);
/* For what comes back: there must be a place for it. */
void need(struct call *call, const void *place);
/* The handle of a key that is made. */
void need_key(struct call *call, const void *place);
/* For what the standard reserves. */
void need_nothing(struct call *call, const void *place);

void get_ulong(struct call *call, CK_ULONG *value);
void get_wanted(struct call *call, void *data, CK_ULONG *length);
void get_filled(struct call *call, void *data, CK_ULONG length);
void get_ulongs(struct call *call, CK_ULONG *values, CK_ULONG *count);
void get_found(struct call *call, CK_ULONG *values, CK_ULONG max, CK_ULONG *count);
void get_values(struct call *call, CK_ATTRIBUTE *attributes, CK_ULONG count);
void get_parameter(struct call *call, void *parameter, CK_ULONG length);
/* A parameter that the token wrote to, where the server sends one. */
void get_mechanism(struct call *call, const CK_MECHANISM *mechanism);

/* --- data that are longer than one call carries (pieces.c) --- */

/* What functions of PKCS#11 look like that take a part, make one of it, and come last. */
typedef CK_RV feeding(CK_SESSION_HANDLE, CK_BYTE *, CK_ULONG);
typedef CK_RV converting(CK_SESSION_HANDLE, CK_BYTE *, CK_ULONG, CK_BYTE *, CK_ULONG *);
typedef CK_RV ending(CK_SESSION_HANDLE, CK_BYTE *, CK_ULONG *);
typedef CK_RV deciding(CK_SESSION_HANDLE);

bool is_long(const void *data, CK_ULONG length);
CK_RV feed_pieces(feeding *feeds, CK_SESSION_HANDLE session, CK_BYTE *data, CK_ULONG length);
CK_RV convert_pieces(converting *converts, CK_SESSION_HANDLE session, CK_BYTE *data,
                     CK_ULONG length, CK_BYTE *output, CK_ULONG *output_length);
/* In one part for the caller: a function that says the length, one for parts, and the last one. */
CK_RV feed_whole(converting *whole, feeding *feeds, ending *ends, CK_SESSION_HANDLE session,
                 CK_BYTE *data, CK_ULONG length, CK_BYTE *output, CK_ULONG *output_length);
CK_RV convert_whole(converting *whole, converting *converts, ending *ends,
                    CK_SESSION_HANDLE session, CK_BYTE *data, CK_ULONG length, CK_BYTE *output,
                    CK_ULONG *output_length);
CK_RV verify_whole(feeding *feeds, feeding *ends, CK_SESSION_HANDLE session, CK_BYTE *data,
                   CK_ULONG length, CK_BYTE *signature, CK_ULONG signature_length);
CK_RV verify_signature_whole(feeding *feeds, deciding *ends, CK_SESSION_HANDLE session,
                             CK_BYTE *data, CK_ULONG length);

/* --- structures (tables in calls.c) --- */

enum member_kind {
    ULONG_MEMBER,
    BOOL_MEMBER,
    INLINE_MEMBER,            /* bytes inside the structure */
    BYTES_MEMBER,             /* bytes elsewhere, and a length */
    POINTED_MEMBER,           /* bytes elsewhere, as many as the standard says */
    STRUCTURE_MEMBER,         /* members of a structure inside the structure */
    STRUCTURE_POINTER_MEMBER,
    ARRAY_MEMBER,
    TEMPLATE_MEMBER,
    MECHANISM_MEMBER,
    STRING_MEMBER,
    HANDLE_OUT_MEMBER,
    FOREIGN_MEMBER            /* a pointer that means nothing elsewhere */
};
enum unit { IN_BYTES, IN_BITS, IN_EITHER };
enum direction { GIVEN, WRITTEN, BOTH };

struct structure;
struct member {
    enum member_kind kind;
    size_t offset;
    /* Bytes, where the standard says how many. */
    size_t size;
    /* Where the length stands, and whether its address does instead. */
    size_t length_offset;
    bool is_length_pointer;
    /* The length stands in the structure that points to this one. */
    bool is_outer_length;
    enum unit unit;
    enum direction direction;
    const struct structure *structure;
};
struct structure {
    size_t size;
    const struct member *members;
    size_t count;
};

#define STRUCTURE(type)                                                                            \
    static const struct structure structure_##type = {                                             \
        sizeof(type), members_##type, sizeof members_##type / sizeof(struct member)}

void get_structure(struct call *call, const struct structure *structure, void *place);

/* The structure that a mechanism's parameter has; NULL where it is plain bytes, or not known. */
const struct structure *parameter_structure(CK_MECHANISM_TYPE type, enum parameter_use use);
/* Whether values of this attribute are templates. */
bool is_template(CK_ATTRIBUTE_TYPE type);

/* --- what is remembered of sessions (memory.c) --- */

/* Answers an Init from memory: true, with the result in *rv, where nobody need be asked. */
bool memory_init(const struct call *call, const struct bytes *shape, CK_RV *rv);
/* Adds the requests that wait for an operation of a session; how many they are. */
unsigned memory_waiting(CK_SESSION_HANDLE session, unsigned operations, struct bytes *requests);
/* They have gone. */
void memory_sent(CK_SESSION_HANDLE session, unsigned operations);
/* The server accepted an Init; `answer` stands before its results. */
void memory_accepted(const struct call *call, const struct bytes *shape, struct reader *answer);
/* What a function did to operations: one more part, their end, or nobody knows. */
enum outcome { CONTINUED, ENDED, UNCERTAIN };
void memory_used(CK_SESSION_HANDLE session, unsigned operations, enum outcome outcome);
/* The length of the output of a function, where Init has said how long it will be. */
bool memory_length(const struct call *call, CK_ULONG *length);
/* Whether an operation has had a part of its data. */
bool memory_partial(CK_SESSION_HANDLE session, unsigned operation);
CK_MECHANISM_TYPE memory_message_mechanism(CK_SESSION_HANDLE session, unsigned operation);
/* Objects that come with the beginning of a search, so that most searches are one round trip. */
#define FOUND_MAX 64
/* Whether there is room to keep them. */
bool memory_search(CK_SESSION_HANDLE session);
void memory_found(CK_SESSION_HANDLE session, struct reader *answer);
/* Takes at most `max` of them; true: there is nothing more to ask for. */
bool memory_take(CK_SESSION_HANDLE session, CK_ULONG *handles, CK_ULONG max, CK_ULONG *count);
/*
 * Ends a search of which all has come: true, and the server is told with the session's next one.
 */
bool memory_finish(CK_SESSION_HANDLE session);
/* Whether the server has still to be told of such an end. */
bool memory_finishing(CK_SESSION_HANDLE session);
/* The server has no search any more. */
void memory_search_ended(CK_SESSION_HANDLE session);
/* Something has changed: ask again. */
void memory_forget(void);
/* A session has begun: without memory for it nothing is remembered. */
void memory_open(CK_SESSION_HANDLE session, CK_SLOT_ID slot);
void memory_close(CK_SESSION_HANDLE session);
/* All sessions of a slot have ended. */
void memory_close_all(CK_SLOT_ID slot);
/* All sessions have ended. */
void memory_clear(void);
void memory_before_fork(void);
void memory_after_fork(void);

#endif
