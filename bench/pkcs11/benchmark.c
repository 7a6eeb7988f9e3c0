/*
 * Operations a second of a PKCS#11 module, and how long each takes.
 *
 *   benchmark MODULE TOKEN PIN fill OBJECTS
 *   benchmark MODULE TOKEN PIN keys
 *   benchmark MODULE TOKEN PIN run ROW THREADS MILLISECONDS OBJECTS
 *
 * `fill` makes small secret keys with labels of one length, `keys` those that the rows use, `run`
 * measures one row and prints it as JSON. Every thread has a session of its own; nothing is counted
 * before all of them have run for a part of the time. An answer that is not the one expected ends
 * the program. A mechanism that the module does not have is no failure, and printed as such.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cryptoki.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define TEXT(type, text) {type, (void *)(text), strlen(text)}
#define VALUE(type, variable) {type, &(variable), sizeof(variable)}

static struct functions *module;
static byte_t yes = 1;
static byte_t no = 0;

static void fail(const char *what, ulong_t rv)
{
    fprintf(stderr, "%s: 0x%lx\n", what, rv);
    exit(1);
}

static void need(const char *what, ulong_t rv)
{
    if (rv != 0)
        fail(what, rv);
}

/* --- module, token, session --- */

static void load(const char *path)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        exit(1);
    }
    ulong_t (*get_functions)(struct functions **) =
        (ulong_t(*)(struct functions **))dlsym(library, "C_GetFunctionList");
    if (get_functions == NULL) {
        fprintf(stderr, "%s: no C_GetFunctionList\n", path);
        exit(1);
    }
    need("C_GetFunctionList", get_functions(&module));
    struct initialize_arguments arguments = {.flags = CKF_OS_LOCKING_OK};
    need("C_Initialize", module->initialize(&arguments));
}

static ulong_t slot_of(const char *label)
{
    ulong_t slots[64], count = COUNT(slots);
    need("C_GetSlotList", module->get_slot_list(1, slots, &count));
    for (ulong_t index = 0; index < count; index++) {
        struct token_info info;
        const size_t length = strlen(label);
        if (module->get_token_info(slots[index], &info) == 0 &&
            memcmp(info.label, label, length) == 0 &&
            (length == sizeof info.label || info.label[length] == ' '))
            return slots[index];
    }
    fprintf(stderr, "no token is labelled %s\n", label);
    exit(1);
}

static ulong_t open_session(ulong_t slot)
{
    ulong_t session;
    need("C_OpenSession", module->open_session(slot, CKF_RW_SERIAL, NULL, NULL, &session));
    return session;
}

/* How many there are with the template; the first one in `object`. */
static ulong_t find(ulong_t session, struct attribute *template, ulong_t length, ulong_t *object)
{
    ulong_t found[8], count = 0;
    need("C_FindObjectsInit", module->find_objects_init(session, template, length));
    need("C_FindObjects", module->find_objects(session, found, COUNT(found), &count));
    need("C_FindObjectsFinal", module->find_objects_final(session));
    if (count > 0)
        *object = found[0];
    return count;
}

static ulong_t key_of(ulong_t session, ulong_t class, const char *label)
{
    struct attribute template[] = {VALUE(CKA_CLASS, class), TEXT(CKA_LABEL, label)};
    ulong_t key;
    if (find(session, template, COUNT(template), &key) != 1) {
        fprintf(stderr, "there is not one key labelled %s\n", label);
        exit(1);
    }
    return key;
}

/* --- fill and keys --- */

#define LABEL_BYTES 16

/* As bench/fill.ts names them. */
static void label_of(ulong_t number, char label[LABEL_BYTES])
{
    snprintf(label, LABEL_BYTES, "bench-%09lu", number % 1000000000);
}

static void fill(ulong_t session, ulong_t from, ulong_t to)
{
    ulong_t class = CKO_SECRET_KEY, type = CKK_GENERIC_SECRET, object;
    byte_t value[32] = {1};
    for (ulong_t number = from; number < to; number++) {
        char label[LABEL_BYTES];
        label_of(number, label);
        struct attribute template[] = {
            VALUE(CKA_CLASS, class), VALUE(CKA_KEY_TYPE, type), VALUE(CKA_TOKEN, yes),
            VALUE(CKA_PRIVATE, yes), VALUE(CKA_VALUE, value),   TEXT(CKA_LABEL, label),
        };
        need("C_CreateObject",
             module->create_object(session, template, COUNT(template), &object));
    }
}

static void make_pair(ulong_t session, ulong_t type, struct attribute *how, const char *label)
{
    struct mechanism mechanism = {type, NULL, 0};
    struct attribute public_key[] = {
        VALUE(CKA_TOKEN, yes), VALUE(CKA_VERIFY, yes), TEXT(CKA_LABEL, label), how[0], how[1],
    };
    struct attribute private_key[] = {
        VALUE(CKA_TOKEN, yes),     VALUE(CKA_PRIVATE, yes), VALUE(CKA_SIGN, yes),
        VALUE(CKA_SENSITIVE, yes), TEXT(CKA_LABEL, label),
    };
    ulong_t handles[2];
    need(label, module->generate_key_pair(session, &mechanism, public_key,
                                          COUNT(public_key) - (how[1].value == NULL), private_key,
                                          COUNT(private_key), &handles[0], &handles[1]));
}

static void make_keys(ulong_t session)
{
    ulong_t bits = 2048, length = 32, key;
    byte_t exponent[] = {1, 0, 1};
    byte_t p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
    struct attribute rsa[] = {VALUE(CKA_MODULUS_BITS, bits), VALUE(CKA_PUBLIC_EXPONENT, exponent)};
    struct attribute ec[] = {VALUE(CKA_EC_PARAMS, p256), {0, NULL, 0}};
    make_pair(session, CKM_RSA_PKCS_KEY_PAIR_GEN, rsa, "the-rsa");
    make_pair(session, CKM_EC_KEY_PAIR_GEN, ec, "the-ec");
    struct attribute aes[] = {
        VALUE(CKA_TOKEN, yes),      VALUE(CKA_PRIVATE, yes),    VALUE(CKA_SENSITIVE, yes),
        VALUE(CKA_ENCRYPT, yes),    VALUE(CKA_DECRYPT, yes),    VALUE(CKA_SIGN, no),
        VALUE(CKA_VALUE_LEN, length), TEXT(CKA_LABEL, "the-aes"),
    };
    struct mechanism mechanism = {CKM_AES_KEY_GEN, NULL, 0};
    need("the-aes", module->generate_key(session, &mechanism, aes, COUNT(aes), &key));
}

/* --- rows --- */

#define LARGE_BYTES 65536
#define TAG_BYTES 16

struct work {
    ulong_t session;
    ulong_t key;
    /* Counts operations, so that none is like the one before. */
    ulong_t turn;
    ulong_t objects;
    byte_t data[LARGE_BYTES];
    byte_t out[LARGE_BYTES + TAG_BYTES];
};

static ulong_t sign(struct work *work, ulong_t type, ulong_t data, ulong_t signature)
{
    struct mechanism mechanism = {type, NULL, 0};
    ulong_t length = sizeof work->out;
    memcpy(work->data + data - sizeof work->turn, &work->turn, sizeof work->turn);
    ulong_t rv = module->sign_init(work->session, &mechanism, work->key);
    if (rv == 0)
        rv = module->sign(work->session, work->data, data, work->out, &length);
    if (rv == 0 && length != signature)
        fail("length of a signature", length);
    return rv;
}

static ulong_t sign_rsa(struct work *work)
{
    static const byte_t sha256[] = {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
                                    0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20};
    memcpy(work->data, sha256, sizeof sha256);
    return sign(work, CKM_RSA_PKCS, sizeof sha256 + 32, 256);
}

static ulong_t sign_ec(struct work *work)
{
    return sign(work, CKM_ECDSA, 32, 64);
}

static ulong_t encrypt(struct work *work, ulong_t bytes)
{
    byte_t iv[12] = {0};
    memcpy(iv, &work->turn, sizeof work->turn);
    /* p11-kit 0.25 and 0.26 take a NULL for 2^64 - 1 bytes, with any length. */
    unsigned char none[1] = {0};
    struct gcm_parameters gcm = {iv, sizeof iv, 8 * sizeof iv, none, 0, 8 * TAG_BYTES};
    struct mechanism mechanism = {CKM_AES_GCM, &gcm, sizeof gcm};
    ulong_t length = sizeof work->out;
    ulong_t rv = module->encrypt_init(work->session, &mechanism, work->key);
    if (rv == 0)
        rv = module->encrypt(work->session, work->data, bytes, work->out, &length);
    if (rv == 0 && length != bytes + TAG_BYTES)
        fail("length of a ciphertext", length);
    return rv;
}

static ulong_t encrypt_tiny(struct work *work)
{
    return encrypt(work, 64);
}

static ulong_t encrypt_small(struct work *work)
{
    return encrypt(work, 1024);
}

static ulong_t encrypt_large(struct work *work)
{
    return encrypt(work, LARGE_BYTES);
}

static ulong_t make_random(struct work *work)
{
    return module->generate_random(work->session, work->out, 32);
}

static ulong_t find_one(struct work *work)
{
    char label[LABEL_BYTES];
    /* A prime far from powers of ten, so that neighbours do not follow each other. */
    label_of(work->turn * 7919 % work->objects, label);
    struct attribute template[] = {TEXT(CKA_LABEL, label)};
    ulong_t object;
    const ulong_t count = find(work->session, template, COUNT(template), &object);
    if (count != 1)
        fail("objects found", count);
    return 0;
}

static const struct row {
    const char *name;
    ulong_t (*operation)(struct work *);
    ulong_t class;
    const char *key;
} rows[] = {
    {"sign-rsa", sign_rsa, CKO_PRIVATE_KEY, "the-rsa"},
    {"sign-ec", sign_ec, CKO_PRIVATE_KEY, "the-ec"},
    {"gcm-64", encrypt_tiny, CKO_SECRET_KEY, "the-aes"},
    {"gcm-1k", encrypt_small, CKO_SECRET_KEY, "the-aes"},
    {"gcm-64k", encrypt_large, CKO_SECRET_KEY, "the-aes"},
    {"random", make_random, 0, NULL},
    {"find", find_one, 0, NULL},
};

/* --- measuring --- */

/* Times in nanoseconds, 32 steps for each doubling: exact to 3 %. */
#define STEPS 32
#define DOUBLINGS 40

struct lane {
    pthread_t thread;
    const struct row *row;
    struct work work;
    ulong_t done;
    /* With those that are not counted. */
    ulong_t all;
    ulong_t times[DOUBLINGS * STEPS];
};

static double warm_until, measure_until;
static pthread_barrier_t together;
static ulong_t milliseconds;

/* Part of a measurement that goes before it. */
#define WARM 0.4

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static size_t step_of(double nanoseconds)
{
    ulong_t rest = (ulong_t)nanoseconds + STEPS;
    size_t doubling = 0;
    for (; rest >= 2 * STEPS; rest >>= 1)
        doubling++;
    const size_t step = doubling * STEPS + (rest - STEPS);
    return step < DOUBLINGS * STEPS ? step : DOUBLINGS * STEPS - 1;
}

static double nanoseconds_of(size_t step)
{
    const double base = (double)(STEPS + step % STEPS);
    return base * (double)(1UL << step / STEPS) - STEPS;
}

static void *run_lane(void *argument)
{
    struct lane *lane = argument;
    if (pthread_barrier_wait(&together) == PTHREAD_BARRIER_SERIAL_THREAD) {
        warm_until = now() + (double)milliseconds * 1e6 * WARM;
        measure_until = warm_until + (double)milliseconds * 1e6;
    }
    pthread_barrier_wait(&together);
    for (double before = now(); before < measure_until;) {
        lane->work.turn++;
        need(lane->row->name, lane->row->operation(&lane->work));
        const double after = now();
        lane->all++;
        if (before >= warm_until) {
            lane->done++;
            lane->times[step_of(after - before)]++;
        }
        before = after;
    }
    return NULL;
}

/* Processor time of the server behind the module, if BENCHMARK_SERVER is its id, in microseconds. */
static double server_micros(void)
{
    const char *id = getenv("BENCHMARK_SERVER");
    char path[64], line[1024];
    unsigned long user = 0, system = 0;
    if (id == NULL)
        return 0;
    snprintf(path, sizeof path, "/proc/%.20s/stat", id);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return 0;
    const char *read = fgets(line, sizeof line, file);
    fclose(file);
    /* Fields 14 and 15 of proc(5), counted from behind the name, which may hold anything. */
    const char *rest = read == NULL ? NULL : strrchr(line, ')');
    if (rest == NULL ||
        sscanf(rest, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2)
        return 0;
    return (double)(user + system) * 1e6 / (double)sysconf(_SC_CLK_TCK);
}

static double percentile(const ulong_t *times, ulong_t all, double part)
{
    ulong_t seen = 0;
    for (size_t step = 0; step < DOUBLINGS * STEPS; step++) {
        seen += times[step];
        if ((double)seen >= (double)all * part)
            return nanoseconds_of(step) / 1e3;
    }
    return 0;
}

static void measure(const struct row *row, ulong_t slot, ulong_t threads, ulong_t objects)
{
    static ulong_t times[DOUBLINGS * STEPS];
    struct lane *lanes = calloc(threads, sizeof *lanes);
    if (lanes == NULL)
        fail("no memory for threads", threads);
    for (ulong_t index = 0; index < threads; index++) {
        lanes[index].row = row;
        struct work *work = &lanes[index].work;
        work->session = open_session(slot);
        work->objects = objects;
        work->turn = index * 1000000;
        if (row->key != NULL)
            work->key = key_of(work->session, row->class, row->key);
    }
    const ulong_t rv = row->operation(&lanes[0].work);
    if (rv == CKR_MECHANISM_INVALID) {
        printf("{\"absent\":\"the module does not have the mechanism\"}\n");
        exit(0);
    }
    need(row->name, rv);
    const double server = server_micros();
    pthread_barrier_init(&together, NULL, (unsigned)threads);
    for (ulong_t index = 0; index < threads; index++) {
        if (pthread_create(&lanes[index].thread, NULL, run_lane, &lanes[index]) != 0)
            fail("pthread_create", index);
    }
    ulong_t done = 0, all = 0;
    for (ulong_t index = 0; index < threads; index++) {
        pthread_join(lanes[index].thread, NULL);
        done += lanes[index].done;
        all += lanes[index].all;
        for (size_t step = 0; step < DOUBLINGS * STEPS; step++)
            times[step] += lanes[index].times[step];
    }
    /* Every thread ends with the operation that is under way: the time is that of the last one. */
    const double seconds = (now() - warm_until) / 1e9;
    printf("{\"perSecond\":%.1f,\"p50\":%.1f,\"p99\":%.1f,\"serverMicros\":%.1f}\n",
           (double)done / seconds, percentile(times, done, 0.5), percentile(times, done, 0.99),
           (server_micros() - server) / (double)(all > 0 ? all : 1));
    free(lanes);
}

int main(int count, char **arguments)
{
    if (count < 5) {
        fprintf(stderr, "benchmark MODULE TOKEN PIN fill|keys|run ...\n");
        return 2;
    }
    const char *pin = arguments[3], *command = arguments[4];
    load(arguments[1]);
    const ulong_t slot = slot_of(arguments[2]);
    const ulong_t session = open_session(slot);
    need("C_Login", module->login(session, CKU_USER, (byte_t *)pin, strlen(pin)));
    if (strcmp(command, "fill") == 0 && count == 7) {
        fill(session, strtoul(arguments[5], NULL, 10), strtoul(arguments[6], NULL, 10));
    } else if (strcmp(command, "keys") == 0 && count == 5) {
        make_keys(session);
    } else if (strcmp(command, "run") == 0 && count == 9) {
        milliseconds = strtoul(arguments[7], NULL, 10);
        for (size_t index = 0; index < COUNT(rows); index++) {
            if (strcmp(rows[index].name, arguments[5]) == 0)
                measure(&rows[index], slot, strtoul(arguments[6], NULL, 10),
                        strtoul(arguments[8], NULL, 10));
        }
    }
    need("C_Finalize", module->finalize(NULL));
    return 0;
}
