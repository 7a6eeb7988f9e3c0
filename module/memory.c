/*
 * What is remembered of sessions, so that an *Init and its operation are one round trip.
 *
 * The server says of an Init that it accepts whether it would accept the same again. The next of
 * the same shape in the same session is then answered here, and its request waits for the operation
 * that it is for; they travel together. What may change the server's mind (a login, a changed
 * attribute, another epoch) makes everything forgotten. Where it is not certain that the session
 * has no operation of the kind, the server is asked.
 *
 * Sessions are spread over buckets with a lock each, held for as long as it takes to copy a few
 * bytes: threads with sessions of their own do not meet.
 */
#include "claviger.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* Few enough to be held together around fork(), also under a tool that counts held locks. */
#define BUCKETS 32
/* Requests above this do not wait. */
#define WAITING_MAX 65536
/* Sessions above this many in a bucket are not remembered. */
#define BUCKET_MAX 4096

enum { ASK, FIXED, ADDED, PADDED };

struct operation {
    /* An operation is under way at the server, or may be. */
    bool is_active;
    bool is_waiting;
    /* Has had a first part: it is too late to do it in one. */
    bool is_partial;
    bool is_repeatable;
    uint8_t rule;
    uint64_t length;
    unsigned age;
    CK_MECHANISM_TYPE mechanism;
    struct bytes shape, request;
};

struct session {
    struct session *next;
    CK_SESSION_HANDLE handle;
    CK_SLOT_ID slot;
    struct operation operations[OPERATIONS];
    /* A search, and what it has found that nobody has taken yet. */
    bool is_searching, is_complete;
    /* It has been ended here; the server has not been told. */
    bool is_finishing;
    CK_ULONG found_count, found_next;
    CK_OBJECT_HANDLE found[FOUND_MAX];
};

static struct bucket {
    pthread_mutex_t lock;
    struct session *sessions;
    unsigned count;
} buckets[BUCKETS];
static pthread_once_t once = PTHREAD_ONCE_INIT;
/* Raised when what was remembered may no longer hold. */
static atomic_uint current_age;

static void make_locks(void)
{
    for (int index = 0; index < BUCKETS; index++)
        pthread_mutex_init(&buckets[index].lock, NULL);
}

static struct bucket *lock_bucket(CK_SESSION_HANDLE handle)
{
    pthread_once(&once, make_locks);
    struct bucket *bucket = &buckets[(handle ^ handle >> 32) % BUCKETS];
    pthread_mutex_lock(&bucket->lock);
    return bucket;
}

static struct session *find(const struct bucket *bucket, CK_SESSION_HANDLE handle)
{
    struct session *session = bucket->sessions;
    while (session != NULL && session->handle != handle)
        session = session->next;
    return session;
}

static int index_of(unsigned operation)
{
    return __builtin_ctz(operation);
}

static void stop_waiting(struct operation *operation)
{
    bytes_wipe(&operation->request);
    operation->is_waiting = false;
}

static void discard(struct session *session)
{
    for (int index = 0; index < OPERATIONS; index++) {
        struct operation *operation = &session->operations[index];
        bytes_wipe(&operation->request);
        free(operation->request.data);
        free(operation->shape.data);
    }
    free(session);
}

static void discard_all(struct session *first)
{
    while (first != NULL) {
        struct session *next = first->next;
        discard(first);
        first = next;
    }
}

static bool is_same(const struct bytes *a, const struct bytes *b)
{
    return a->length == b->length && a->length > 0 && memcmp(a->data, b->data, a->length) == 0;
}

/* Whether the server would accept it: it has accepted the same, and nothing has changed since. */
static bool is_certain(const struct call *call, const struct operation *operation,
                       const struct bytes *shape)
{
    return operation->is_repeatable && !operation->is_active && operation->age == current_age &&
           call->batched == 0 && call->request->length - call->start <= WAITING_MAX &&
           is_same(&operation->shape, shape);
}

static bool wait_here(const struct call *call, struct operation *operation)
{
    operation->request.length = 0;
    operation->is_waiting = bytes_put(&operation->request, call->request->data + call->start,
                                      call->request->length - call->start);
    return operation->is_waiting;
}

bool memory_init(const struct call *call, const struct bytes *shape, CK_RV *rv)
{
    if ((call->operations & REPEATABLE) == 0)
        return false;
    struct bucket *bucket = lock_bucket(call->session);
    struct session *session = find(bucket, call->session);
    bool is_answered = false;
    if (session != NULL) {
        struct operation *operation = &session->operations[index_of(call->operations)];
        *rv = CKR_OK;
        if (operation->is_waiting) {
            is_answered = true;
            if (call->is_cancel)
                stop_waiting(operation);
            else
                *rv = CKR_OPERATION_ACTIVE;
        } else if (!call->is_cancel && is_certain(call, operation, shape)) {
            is_answered = wait_here(call, operation);
        }
    }
    pthread_mutex_unlock(&bucket->lock);
    return is_answered;
}

unsigned memory_waiting(CK_SESSION_HANDLE handle, unsigned operations, struct bytes *requests)
{
    struct bucket *bucket = lock_bucket(handle);
    const struct session *session = find(bucket, handle);
    unsigned count = 0;
    for (int index = 0; session != NULL && index < OPERATIONS; index++) {
        const struct operation *operation = &session->operations[index];
        if ((operations & 1u << index) == 0 || !operation->is_waiting)
            continue;
        /* Whole, or not at all. */
        if (bytes_reserve(requests, requests->length + 4 + operation->request.length) &&
            bytes_put_u32(requests, (uint32_t)operation->request.length) &&
            bytes_put(requests, operation->request.data, operation->request.length))
            count++;
    }
    pthread_mutex_unlock(&bucket->lock);
    return count;
}

void memory_sent(CK_SESSION_HANDLE handle, unsigned operations)
{
    struct bucket *bucket = lock_bucket(handle);
    struct session *session = find(bucket, handle);
    for (int index = 0; session != NULL && index < OPERATIONS; index++) {
        struct operation *operation = &session->operations[index];
        if ((operations & 1u << index) != 0 && operation->is_waiting) {
            stop_waiting(operation);
            operation->is_active = true;
            operation->is_partial = false;
        }
    }
    pthread_mutex_unlock(&bucket->lock);
}

void memory_accepted(const struct call *call, const struct bytes *shape, struct reader *answer)
{
    /* C_VerifySignatureInit tells nothing: there is no output. */
    const bool is_told = call->operations != VERIFY_SIGNATURE;
    const uint8_t rule = is_told ? read_u8(answer) : ASK;
    const uint64_t length = is_told ? read_u64(answer) : 0;
    const bool is_repeatable = is_told && read_u8(answer) == 1;
    if (answer->is_bad)
        return;
    struct bucket *bucket = lock_bucket(call->session);
    struct session *session = find(bucket, call->session);
    if (session != NULL) {
        struct operation *operation = &session->operations[index_of(call->operations)];
        operation->is_active = true;
        operation->is_partial = false;
        operation->rule = rule;
        operation->length = length;
        operation->age = current_age;
        operation->mechanism = call->mechanism;
        operation->shape.length = 0;
        operation->is_repeatable =
            is_repeatable && bytes_put(&operation->shape, shape->data, shape->length);
    }
    pthread_mutex_unlock(&bucket->lock);
}

void memory_used(CK_SESSION_HANDLE handle, unsigned operations, enum outcome outcome)
{
    struct bucket *bucket = lock_bucket(handle);
    struct session *session = find(bucket, handle);
    for (int index = 0; session != NULL && index < OPERATIONS; index++) {
        struct operation *operation = &session->operations[index];
        if ((operations & 1u << index) == 0)
            continue;
        if (outcome == ENDED)
            operation->is_active = false;
        else if (outcome == CONTINUED)
            operation->is_partial = true;
        else {
            operation->rule = ASK;
            operation->is_partial = false;
        }
    }
    pthread_mutex_unlock(&bucket->lock);
}

/* What a rule makes of an input; false where it makes nothing of it. */
static bool apply(const struct operation *operation, CK_ULONG input, CK_ULONG *length)
{
    const uint64_t n = operation->length;
    switch (operation->rule) {
    case FIXED:
        *length = n;
        return true;
    case ADDED:
        return !__builtin_add_overflow(input, n, length);
    case PADDED:
        return n > 0 && !__builtin_mul_overflow(input / n + 1, n, length);
    default:
        return false;
    }
}

bool memory_length(const struct call *call, CK_ULONG *length)
{
    if ((call->operations & REPEATABLE) == 0 || (call->role != WHOLE && call->role != FINAL))
        return false;
    struct bucket *bucket = lock_bucket(call->session);
    const struct session *session = find(bucket, call->session);
    bool is_known = false;
    if (session != NULL) {
        const struct operation *operation = &session->operations[index_of(call->operations)];
        /* The last part of a cipher is as long as what went before makes it. */
        const bool is_ruled =
            call->role == WHOLE
                ? !operation->is_partial
                : operation->rule == FIXED && (call->operations & (DIGEST | SIGN)) != 0;
        is_known = is_ruled && operation->age == current_age &&
                   (operation->is_active || operation->is_waiting) &&
                   apply(operation, call->input_length, length);
    }
    pthread_mutex_unlock(&bucket->lock);
    return is_known;
}

bool memory_partial(CK_SESSION_HANDLE handle, unsigned operation)
{
    struct bucket *bucket = lock_bucket(handle);
    const struct session *session = find(bucket, handle);
    const struct operation *found =
        session == NULL ? NULL : &session->operations[index_of(operation)];
    const bool is_partial = found != NULL && found->is_active && found->is_partial;
    pthread_mutex_unlock(&bucket->lock);
    return is_partial;
}

CK_MECHANISM_TYPE memory_message_mechanism(CK_SESSION_HANDLE handle, unsigned operation)
{
    struct bucket *bucket = lock_bucket(handle);
    const struct session *session = find(bucket, handle);
    const CK_MECHANISM_TYPE found = session == NULL
                                        ? CK_UNAVAILABLE_INFORMATION
                                        : session->operations[index_of(operation)].mechanism;
    pthread_mutex_unlock(&bucket->lock);
    return found;
}

bool memory_search(CK_SESSION_HANDLE handle)
{
    struct bucket *bucket = lock_bucket(handle);
    const bool has_room = find(bucket, handle) != NULL;
    pthread_mutex_unlock(&bucket->lock);
    return has_room;
}

void memory_found(CK_SESSION_HANDLE handle, struct reader *answer)
{
    const uint32_t count = read_u32(answer);
    CK_OBJECT_HANDLE found[FOUND_MAX];
    for (uint32_t index = 0; index < count && index < FOUND_MAX; index++)
        found[index] = read_u64(answer);
    if (answer->is_bad || count > FOUND_MAX)
        return;
    struct bucket *bucket = lock_bucket(handle);
    struct session *session = find(bucket, handle);
    if (session != NULL) {
        session->is_searching = true;
        session->is_complete = count < FOUND_MAX;
        session->found_count = count;
        session->found_next = 0;
        memcpy(session->found, found, count * sizeof found[0]);
    }
    pthread_mutex_unlock(&bucket->lock);
}

bool memory_take(CK_SESSION_HANDLE handle, CK_ULONG *handles, CK_ULONG max, CK_ULONG *count)
{
    struct bucket *bucket = lock_bucket(handle);
    struct session *session = find(bucket, handle);
    bool is_all = false;
    *count = 0;
    if (session != NULL && session->is_searching) {
        const CK_ULONG left = session->found_count - session->found_next;
        *count = left < max ? left : max;
        for (CK_ULONG index = 0; index < *count; index++)
            handles[index] = session->found[session->found_next++];
        is_all = session->is_complete || *count == max;
    }
    pthread_mutex_unlock(&bucket->lock);
    return is_all;
}

bool memory_finish(CK_SESSION_HANDLE handle)
{
    struct bucket *bucket = lock_bucket(handle);
    struct session *session = find(bucket, handle);
    const bool is_over = session != NULL && session->is_searching && session->is_complete;
    if (is_over) {
        session->is_searching = false;
        session->is_finishing = true;
    }
    pthread_mutex_unlock(&bucket->lock);
    return is_over;
}

bool memory_finishing(CK_SESSION_HANDLE handle)
{
    struct bucket *bucket = lock_bucket(handle);
    const struct session *session = find(bucket, handle);
    const bool is_finishing = session != NULL && session->is_finishing;
    pthread_mutex_unlock(&bucket->lock);
    return is_finishing;
}

void memory_search_ended(CK_SESSION_HANDLE handle)
{
    struct bucket *bucket = lock_bucket(handle);
    struct session *session = find(bucket, handle);
    if (session != NULL)
        session->is_searching = session->is_finishing = false;
    pthread_mutex_unlock(&bucket->lock);
}

void memory_forget(void)
{
    atomic_fetch_add(&current_age, 1);
}

void memory_open(CK_SESSION_HANDLE handle, CK_SLOT_ID slot)
{
    /* Another server may give a number again. */
    memory_close(handle);
    struct session *session = calloc(1, sizeof *session);
    if (session == NULL)
        return;
    session->handle = handle;
    session->slot = slot;
    struct bucket *bucket = lock_bucket(handle);
    const bool has_room = bucket->count < BUCKET_MAX;
    if (has_room) {
        session->next = bucket->sessions;
        bucket->sessions = session;
        bucket->count++;
    }
    pthread_mutex_unlock(&bucket->lock);
    if (!has_room)
        free(session);
}

void memory_close(CK_SESSION_HANDLE handle)
{
    struct bucket *bucket = lock_bucket(handle);
    struct session **place = &bucket->sessions;
    while (*place != NULL && (*place)->handle != handle)
        place = &(*place)->next;
    struct session *found = *place;
    if (found != NULL) {
        *place = found->next;
        bucket->count--;
    }
    pthread_mutex_unlock(&bucket->lock);
    if (found != NULL)
        discard(found);
}

void memory_close_all(CK_SLOT_ID slot)
{
    for (CK_SESSION_HANDLE index = 0; index < BUCKETS; index++) {
        struct bucket *bucket = lock_bucket(index);
        struct session *closed = NULL, **place = &bucket->sessions;
        while (*place != NULL) {
            struct session *one = *place;
            if (one->slot != slot) {
                place = &one->next;
                continue;
            }
            *place = one->next;
            bucket->count--;
            one->next = closed;
            closed = one;
        }
        pthread_mutex_unlock(&bucket->lock);
        discard_all(closed);
    }
}

void memory_clear(void)
{
    for (CK_SESSION_HANDLE index = 0; index < BUCKETS; index++) {
        struct bucket *bucket = lock_bucket(index);
        struct session *session = bucket->sessions;
        bucket->sessions = NULL;
        bucket->count = 0;
        pthread_mutex_unlock(&bucket->lock);
        discard_all(session);
    }
    memory_forget();
}

void memory_before_fork(void)
{
    for (CK_SESSION_HANDLE index = 0; index < BUCKETS; index++)
        lock_bucket(index);
}

void memory_after_fork(void)
{
    for (int index = 0; index < BUCKETS; index++)
        pthread_mutex_unlock(&buckets[index].lock);
}
