/*
 * What an application does with libclaviger.so: one scenario a name, against a peer that the test
 * runs. A scenario that finds something wrong says where, and the program ends with 1.
 *
 *     scenarios MODULE NAME
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../pkcs11.h"

#define THREADS 8

static void *library;
static CK_FUNCTION_LIST_3_2 *f;

static void fail(int line, const char *what, unsigned long found)
{
    fprintf(stderr, "line %d: %s: 0x%lx\n", line, what, found);
    _exit(1);
}

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition))                                                                          \
            fail(__LINE__, #condition, 0);                                                         \
    } while (0)
#define RV(wanted, expression)                                                                     \
    do {                                                                                           \
        const CK_RV rv_ = (expression);                                                            \
        if (rv_ != (wanted))                                                                       \
            fail(__LINE__, #expression " is not " #wanted, rv_);                                   \
    } while (0)
#define OK(expression) RV(CKR_OK, expression)

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* Tells the test how far it is, and waits until it has done its part. */
static void say(const char *text)
{
    char byte;
    printf("%s\n", text);
    fflush(stdout);
    CHECK(read(0, &byte, 1) == 1);
}

static CK_SLOT_ID first_slot = 1;

static CK_SESSION_HANDLE open_session(void)
{
    CK_SESSION_HANDLE session = 0;
    OK(f->C_OpenSession(first_slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session));
    return session;
}

static CK_MECHANISM plain = {CKM_SHA256_HMAC, NULL, 0};

static void sign(CK_SESSION_HANDLE session)
{
    CK_BYTE data[] = "data", signature[64];
    CK_ULONG length = sizeof signature;
    OK(f->C_SignInit(session, &plain, 7));
    OK(f->C_Sign(session, data, sizeof data, signature, &length));
    CHECK(length == 32);
}

static CK_BBOOL yes = CK_TRUE;

/* --- without a server --- */

static const CK_ULONG COUNTS[] = {68, 92, 104};

static void interfaces(void)
{
    CK_FUNCTION_LIST *old;
    CK_INTERFACE list[3], *one;
    CK_ULONG count = 0;
    CK_VERSION version = {3, 0};
    OK(f->C_GetFunctionList(&old));
    CHECK(old->version.major == 2 && old->version.minor == 40);
    RV(CKR_ARGUMENTS_BAD, f->C_GetFunctionList(NULL));

    OK(f->C_GetInterfaceList(NULL, &count));
    CHECK(count == 3);
    count = 2;
    RV(CKR_BUFFER_TOO_SMALL, f->C_GetInterfaceList(list, &count));
    CHECK(count == 3);
    OK(f->C_GetInterfaceList(list, &count));
    RV(CKR_ARGUMENTS_BAD, f->C_GetInterfaceList(list, NULL));
    for (CK_ULONG index = 0; index < count; index++) {
        void **functions = list[index].pFunctionList;
        CHECK(strcmp((char *)list[index].pInterfaceName, "PKCS 11") == 0);
        /* The version takes the place of one pointer. */
        for (CK_ULONG slot = 1; slot <= COUNTS[2 - index]; slot++)
            CHECK(functions[slot] != NULL);
    }

    OK(f->C_GetInterface(NULL, NULL, &one, 0));
    CHECK(((CK_VERSION *)one->pFunctionList)->minor == 2);
    OK(f->C_GetInterface((CK_UTF8CHAR *)"PKCS 11", NULL, &one, 0));
    CHECK(((CK_VERSION *)one->pFunctionList)->minor == 2);
    OK(f->C_GetInterface((CK_UTF8CHAR *)"PKCS 11", &version, &one, 0));
    CHECK(((CK_VERSION *)one->pFunctionList)->minor == 0);
    version = (CK_VERSION){2, 40};
    OK(f->C_GetInterface(NULL, &version, &one, 0));
    CHECK(one->pFunctionList == (void *)old);
    version.minor = 39;
    RV(CKR_ARGUMENTS_BAD, f->C_GetInterface(NULL, &version, &one, 0));
    RV(CKR_ARGUMENTS_BAD, f->C_GetInterface((CK_UTF8CHAR *)"Vendor", NULL, &one, 0));
    RV(CKR_ARGUMENTS_BAD, f->C_GetInterface(NULL, NULL, &one, CKF_INTERFACE_FORK_SAFE));
    RV(CKR_ARGUMENTS_BAD, f->C_GetInterface(NULL, NULL, NULL, 0));
}

/* Every function but the ways in says that nothing is initialised, whatever else is wrong. */
static void uninitialised(void)
{
    typedef CK_RV (*any)(CK_ULONG, void *, CK_ULONG, void *, CK_ULONG, void *, CK_ULONG, void *,
                         CK_ULONG);
    void **functions = (void **)f;
    for (int slot = 1; slot <= 104; slot++) {
        void *one = functions[slot];
        if (one == (void *)f->C_Initialize || one == (void *)f->C_GetFunctionList ||
            one == (void *)f->C_GetInterface || one == (void *)f->C_GetInterfaceList)
            continue;
        RV(CKR_CRYPTOKI_NOT_INITIALIZED, ((any)one)(0, NULL, 0, NULL, 0, NULL, 0, NULL, 0));
    }
}

/* A program that has functions of the same names must not get them for ours. */
CK_RV C_GetInfo(CK_INFO *pInfo)
{
    (void)pInfo;
    fail(__LINE__, "the program's own C_GetInfo was called", 0);
    return CKR_OK;
}

static void symbols(void)
{
    CK_FUNCTION_LIST *list;
    OK(f->C_GetFunctionList(&list));
    CHECK((void *)list->C_GetInfo == dlsym(library, "C_GetInfo"));
    CHECK((void *)list->C_GetInfo != (void *)C_GetInfo);
    RV(CKR_CRYPTOKI_NOT_INITIALIZED, list->C_GetInfo(NULL));
    for (char name[128]; fgets(name, sizeof name, stdin) != NULL;) {
        name[strcspn(name, "\n")] = '\0';
        if (dlsym(library, name) == NULL)
            fail(__LINE__, name, 0);
    }
}

/* --- C_Initialize and C_Finalize --- */

static CK_RV make_mutex(void **mutex)
{
    *mutex = NULL;
    return CKR_OK;
}

static CK_RV use_mutex(void *mutex)
{
    (void)mutex;
    return CKR_OK;
}

static void lifecycle(void)
{
    CK_INFO info;
    CK_C_INITIALIZE_ARGS arguments = {.CreateMutex = make_mutex};
    RV(CKR_ARGUMENTS_BAD, f->C_Initialize(&arguments));
    arguments.DestroyMutex = arguments.LockMutex = arguments.UnlockMutex = use_mutex;
    RV(CKR_CANT_LOCK, f->C_Initialize(&arguments));
    arguments.flags = CKF_OS_LOCKING_OK;
    /* An address where nothing is. */
    arguments.pReserved = (void *)8;
    RV(CKR_ARGUMENTS_BAD, f->C_Initialize(&arguments));
    arguments.pReserved = NULL;
    RV(CKR_CRYPTOKI_NOT_INITIALIZED, f->C_GetInfo(&info));
    OK(f->C_Initialize(&arguments));
    RV(CKR_CRYPTOKI_ALREADY_INITIALIZED, f->C_Initialize(NULL));
    OK(f->C_GetInfo(&info));
    RV(CKR_ARGUMENTS_BAD, f->C_GetInfo(NULL));
    RV(CKR_FUNCTION_NOT_PARALLEL, f->C_GetFunctionStatus(99));
    RV(CKR_FUNCTION_NOT_PARALLEL, f->C_CancelFunction(99));
    RV(CKR_ARGUMENTS_BAD, f->C_Finalize(&info));
    OK(f->C_GetInfo(&info));
    OK(f->C_Finalize(NULL));
    RV(CKR_CRYPTOKI_NOT_INITIALIZED, f->C_Finalize(NULL));
    RV(CKR_CRYPTOKI_NOT_INITIALIZED, f->C_GetInfo(&info));
    const double began = now();
    OK(f->C_Initialize(NULL));
    printf("%.3f ms\n", (now() - began) * 1e3);
    OK(f->C_GetInfo(&info));
    OK(f->C_Finalize(NULL));
}

/* With the socket named in pReserved. */
static void reserved(void)
{
    CK_INFO info;
    CK_C_INITIALIZE_ARGS arguments = {.flags = CKF_OS_LOCKING_OK, .pReserved = getenv("SOCKET")};
    OK(f->C_Initialize(&arguments));
    OK(f->C_GetInfo(&info));
    OK(f->C_Finalize(NULL));
    /* Something that other systems have there, which the server may know. */
    char text[1000];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    arguments.pReserved = text;
    setenv("CLAVIGER_PKCS11", getenv("PLACE"), 1);
    OK(f->C_Initialize(&arguments));
    OK(f->C_GetInfo(&info));
    OK(f->C_Finalize(NULL));
}

/* --- buffers --- */

static void buffers(void)
{
    CK_BYTE out[64];
    CK_ULONG length, found, handles[4];
    OK(f->C_Initialize(NULL));
    CK_SESSION_HANDLE session = open_session();

    OK(f->C_SignInit(session, &plain, 7));
    RV(CKR_ARGUMENTS_BAD, f->C_Sign(session, out, 4, out, NULL));
    RV(CKR_ARGUMENTS_BAD, f->C_Sign(session, NULL, 4, out, &length));
    OK(f->C_SignInit(session, &plain, 7));
    length = 0;
    OK(f->C_Sign(session, out, 4, NULL, &length));
    CHECK(length == 32);
    length = 0;
    RV(CKR_BUFFER_TOO_SMALL, f->C_Sign(session, out, 4, out, &length));
    CHECK(length == 32);
    length = 31;
    memset(out, 'x', sizeof out);
    RV(CKR_BUFFER_TOO_SMALL, f->C_Sign(session, out, 4, out, &length));
    CHECK(length == 32 && out[0] == 'x');
    OK(f->C_Sign(session, NULL, 0, out, &length));
    CHECK(length == 32 && out[31] != 'x' && out[32] == 'x');
    RV(CKR_OPERATION_NOT_INITIALIZED, f->C_Sign(session, out, 4, out, &length));

    /* Lengths come in whole blocks and one more. */
    CK_BYTE iv[16] = {0};
    CK_MECHANISM padded = {CKM_AES_CBC_PAD, iv, sizeof iv};
    OK(f->C_EncryptInit(session, &padded, 7));
    OK(f->C_Encrypt(session, out, 16, NULL, &length));
    CHECK(length == 32);
    OK(f->C_Encrypt(session, out, 15, NULL, &length));
    CHECK(length == 16);

    OK(f->C_GenerateRandom(session, NULL, 0));
    RV(CKR_ARGUMENTS_BAD, f->C_GenerateRandom(session, NULL, 4));
    OK(f->C_GenerateRandom(session, out, 5));

    OK(f->C_GetSlotList(CK_TRUE, NULL, &length));
    CHECK(length == 2);
    length = 1;
    RV(CKR_BUFFER_TOO_SMALL, f->C_GetSlotList(CK_TRUE, handles, &length));
    CHECK(length == 2);
    OK(f->C_GetSlotList(CK_TRUE, handles, &length));
    CHECK(length == 2 && handles[0] == 1 && handles[1] == 2);

    OK(f->C_FindObjectsInit(session, NULL, 0));
    RV(CKR_ARGUMENTS_BAD, f->C_FindObjects(session, NULL, 2, &found));
    OK(f->C_FindObjects(session, NULL, 0, &found));
    CHECK(found == 0);
    OK(f->C_FindObjects(session, handles, 2, &found));
    CHECK(found == 2 && handles[0] == 1000);
    OK(f->C_FindObjects(session, handles, 4, &found));
    CHECK(found == 4 && handles[0] == 1002);
    OK(f->C_FindObjectsFinal(session));
    RV(CKR_OPERATION_NOT_INITIALIZED, f->C_FindObjects(session, handles, 4, &found));
    OK(f->C_Finalize(NULL));
}

/* More objects than come with the beginning of a search, taken in pieces of every size. */
static void searching(void)
{
    CK_OBJECT_HANDLE handles[400];
    CK_ULONG found, all;
    OK(f->C_Initialize(NULL));
    CK_SESSION_HANDLE session = open_session();
    for (CK_ULONG size = 1; size < 320; size += 7) {
        OK(f->C_FindObjectsInit(session, NULL, 0));
        RV(CKR_OPERATION_ACTIVE, f->C_FindObjectsInit(session, NULL, 0));
        for (all = 0; all < 300; all += found) {
            memset(handles, 0, sizeof handles);
            OK(f->C_FindObjects(session, handles, size, &found));
            CHECK(found == (size < 300 - all ? size : 300 - all));
            for (CK_ULONG index = 0; index < found; index++)
                CHECK(handles[index] == 1000 + all + index);
            CHECK(handles[found] == 0);
        }
        OK(f->C_FindObjects(session, handles, size, &found));
        CHECK(found == 0);
        OK(f->C_FindObjectsFinal(session));
        RV(CKR_OPERATION_NOT_INITIALIZED, f->C_FindObjectsFinal(session));
    }
    OK(f->C_FindObjectsInit(session, NULL, 0));
    OK(f->C_SessionCancel(session, CKF_FIND_OBJECTS));
    RV(CKR_OPERATION_NOT_INITIALIZED, f->C_FindObjects(session, handles, 1, &found));
    OK(f->C_Finalize(NULL));
}

/* A search that is over with its first answer: its end goes with the next one. */
static void finding(void)
{
    CK_OBJECT_HANDLE handles[8];
    CK_ULONG found;
    CK_ATTRIBUTE few = {CKA_LABEL, "few", 3}, refused = {CKA_URL, "x", 1};
    OK(f->C_Initialize(NULL));
    CK_SESSION_HANDLE session = open_session();
    for (int round = 0; round < 10; round++) {
        OK(f->C_FindObjectsInit(session, &few, 1));
        OK(f->C_FindObjects(session, handles, 8, &found));
        CHECK(found == 3 && handles[0] == 1297);
        OK(f->C_FindObjectsFinal(session));
        if (round == 0)
            say("opened");
    }
    say("nine searches: 9");
    RV(CKR_OPERATION_NOT_INITIALIZED, f->C_FindObjectsFinal(session));
    say("over already: 1");
    OK(f->C_FindObjectsInit(session, &few, 1));
    RV(CKR_OPERATION_ACTIVE, f->C_FindObjectsInit(session, &few, 1));
    OK(f->C_FindObjectsFinal(session));
    RV(CKR_OPERATION_NOT_INITIALIZED, f->C_FindObjects(session, handles, 8, &found));
    RV(CKR_OPERATION_NOT_INITIALIZED, f->C_FindObjects(session, handles, 8, &found));

    OK(f->C_FindObjectsInit(session, &few, 1));
    OK(f->C_FindObjectsFinal(session));
    RV(CKR_ATTRIBUTE_TYPE_INVALID, f->C_FindObjectsInit(session, &refused, 1));
    RV(CKR_OPERATION_NOT_INITIALIZED, f->C_FindObjects(session, handles, 8, &found));
    OK(f->C_FindObjectsInit(session, &few, 1));
    OK(f->C_FindObjectsFinal(session));
    OK(f->C_SessionCancel(session, CKF_FIND_OBJECTS));
    RV(CKR_OPERATION_NOT_INITIALIZED, f->C_FindObjectsFinal(session));
    OK(f->C_FindObjectsInit(session, NULL, 0));
    OK(f->C_FindObjects(session, handles, 8, &found));
    CHECK(found == 8 && handles[0] == 1000);
    OK(f->C_FindObjectsFinal(session));
    OK(f->C_FindObjectsInit(session, &few, 1));
    OK(f->C_CloseSession(session));
    RV(CKR_SESSION_HANDLE_INVALID, f->C_FindObjectsFinal(session));
    OK(f->C_Finalize(NULL));
}

/* What is refused here ends the operation as a refusal of the server does: Init begins anew. */
static void bad_arguments(void)
{
    CK_BYTE data[16] = {0}, output[64];
    CK_ULONG length;
    CK_MECHANISM sha256 = {CKM_SHA256, NULL, 0};
    OK(f->C_Initialize(NULL));
    CK_SESSION_HANDLE session = open_session();
    for (int round = 0; round < 3; round++) {
        OK(f->C_SignInit(session, &plain, 7));
        RV(CKR_ARGUMENTS_BAD, f->C_Sign(session, data, sizeof data, output, NULL));
        OK(f->C_SignInit(session, &plain, 7));
        RV(CKR_ARGUMENTS_BAD, f->C_SignUpdate(session, NULL, 1));
        length = sizeof output;
        RV(CKR_OPERATION_NOT_INITIALIZED, f->C_SignFinal(session, output, &length));
        OK(f->C_SignInit(session, &plain, 7));
        OK(f->C_SignUpdate(session, data, sizeof data));
        RV(CKR_ARGUMENTS_BAD, f->C_SignFinal(session, output, NULL));
        OK(f->C_DigestInit(session, &sha256));
        OK(f->C_SignInit(session, &plain, 7));
        RV(CKR_ARGUMENTS_BAD, f->C_Digest(session, NULL, 1, output, &length));
        OK(f->C_DigestInit(session, &sha256));
        /* It is not looked at: nothing that long is sent. */
        RV(CKR_DATA_LEN_RANGE, f->C_Digest(session, data, 1ul << 40, output, &length));
        RV(CKR_OPERATION_NOT_INITIALIZED, f->C_Digest(session, data, 1, output, &length));
        OK(f->C_Sign(session, data, sizeof data, output, &length));
    }
    OK(f->C_Finalize(NULL));
}

/* What is kept of a session goes with it, however it ends, and with no other one. */
static void closing_all(void)
{
    const CK_FLAGS flags = CKF_SERIAL_SESSION | CKF_RW_SESSION;
    CK_OBJECT_HANDLE handles[8];
    CK_ULONG found;
    CK_ATTRIBUTE few = {CKA_LABEL, "few", 3};
    CK_MECHANISM sha256 = {CKM_SHA256, NULL, 0};
    CK_SESSION_HANDLE other;
    OK(f->C_Initialize(NULL));
    OK(f->C_OpenSession(2, flags, NULL, NULL, &other));
    OK(f->C_FindObjectsInit(other, &few, 1));
    for (int round = 0; round < 3; round++) {
        CK_SESSION_HANDLE session = open_session(), digesting = open_session();
        for (int again = 0; again < 3; again++) {
            CK_BYTE digest[32];
            CK_ULONG length = sizeof digest;
            OK(f->C_DigestInit(digesting, &sha256));
            if (again < 2)
                OK(f->C_Digest(digesting, (CK_BYTE *)"abc", 3, digest, &length));
        }
        OK(f->C_FindObjectsInit(session, &few, 1));
        OK(f->C_FindObjects(session, handles, 1, &found));
        OK(f->C_CloseAllSessions(1));
        RV(CKR_SESSION_HANDLE_INVALID, f->C_FindObjects(session, handles, 1, &found));
        RV(CKR_SESSION_HANDLE_INVALID, f->C_FindObjectsFinal(session));
        RV(CKR_SESSION_HANDLE_INVALID, f->C_FindObjectsInit(session, &few, 1));
        RV(CKR_SESSION_HANDLE_INVALID, f->C_DigestInit(digesting, NULL));
        RV(CKR_SESSION_HANDLE_INVALID, f->C_DigestInit(digesting, &sha256));
    }
    OK(f->C_FindObjects(other, handles, 8, &found));
    CHECK(found == 3 && handles[0] == 1297);
    OK(f->C_FindObjectsFinal(other));
    OK(f->C_Finalize(NULL));
}

static void attributes(void)
{
    CK_BYTE label[8], small[2], value[4], id[4];
    CK_ULONG class = 0;
    CK_ATTRIBUTE wanted[] = {
        {CKA_LABEL, label, sizeof label}, {CKA_ID, small, sizeof small},
        {CKA_VALUE, value, sizeof value}, {CKA_URL, NULL, 0},
        {CKA_CLASS, &class, sizeof class}, {CKA_SUBJECT, id, sizeof id},
    };
    OK(f->C_Initialize(NULL));
    CK_SESSION_HANDLE session = open_session();
    RV(CKR_ATTRIBUTE_SENSITIVE, f->C_GetAttributeValue(session, 5, wanted, 6));
    CHECK(wanted[0].ulValueLen == 5 && memcmp(label, "label", 5) == 0);
    CHECK(wanted[1].ulValueLen == CK_UNAVAILABLE_INFORMATION);
    CHECK(wanted[2].ulValueLen == CK_UNAVAILABLE_INFORMATION);
    CHECK(wanted[3].ulValueLen == 9);
    CHECK(wanted[4].ulValueLen == 8 && class == CKO_SECRET_KEY);
    CHECK(wanted[5].ulValueLen == 0);

    /* A template as a value: its size, then the sizes in it, then the values. */
    CK_ATTRIBUTE outer = {CKA_WRAP_TEMPLATE, NULL, 0}, inner[2] = {0};
    OK(f->C_GetAttributeValue(session, 5, &outer, 1));
    CHECK(outer.ulValueLen == 2 * sizeof(CK_ATTRIBUTE));
    outer.pValue = inner;
    OK(f->C_GetAttributeValue(session, 5, &outer, 1));
    CHECK(inner[0].type == CKA_LABEL && inner[0].ulValueLen == 3);
    CHECK(inner[1].type == CKA_TOKEN && inner[1].ulValueLen == 1);
    inner[0].pValue = label;
    inner[1].pValue = &yes;
    yes = CK_FALSE;
    OK(f->C_GetAttributeValue(session, 5, &outer, 1));
    CHECK(memcmp(label, "key", 3) == 0 && yes == CK_TRUE);
    outer.ulValueLen = sizeof(CK_ATTRIBUTE);
    RV(CKR_BUFFER_TOO_SMALL, f->C_GetAttributeValue(session, 5, &outer, 1));
    CHECK(outer.ulValueLen == CK_UNAVAILABLE_INFORMATION);

    CK_OBJECT_HANDLE object;
    CK_ATTRIBUTE given[] = {
        {CKA_LABEL, "ab", 2}, {CKA_ID, NULL, 0},
        {CKA_UNWRAP_TEMPLATE, inner, sizeof inner}, {CKA_TOKEN, &yes, 1},
    };
    inner[0] = (CK_ATTRIBUTE){CKA_LABEL, "c", 1};
    inner[1] = (CK_ATTRIBUTE){CKA_TOKEN, &yes, 1};
    OK(f->C_CreateObject(session, given, 4, &object));
    CHECK(object == 77);
    RV(CKR_ARGUMENTS_BAD, f->C_CreateObject(session, NULL, 1, &object));
    RV(CKR_ARGUMENTS_BAD, f->C_CreateObject(session, given, 4, NULL));
    given[2].ulValueLen = 5;
    RV(CKR_ATTRIBUTE_VALUE_INVALID, f->C_CreateObject(session, given, 4, &object));
    /* A template that holds itself has no end. */
    CK_ATTRIBUTE loop = {CKA_WRAP_TEMPLATE, &loop, sizeof loop};
    RV(CKR_ARGUMENTS_BAD, f->C_CreateObject(session, &loop, 1, &object));
    OK(f->C_Finalize(NULL));
}

/* --- parameters; the test looks at what has arrived --- */

static void parameters(void)
{
    CK_BYTE iv[12] = "iviviviviviv", tag[16] = {0}, out[64], nonce[12] = "nononononono";
    CK_ULONG length;
    CK_OBJECT_HANDLE key, other = 0;
    OK(f->C_Initialize(NULL));
    CK_SESSION_HANDLE session = open_session();

    CK_GCM_PARAMS gcm = {iv, sizeof iv, 96, NULL, 0, 128};
    OK(f->C_EncryptInit(session, &(CK_MECHANISM){CKM_AES_GCM, &gcm, sizeof gcm}, 7));
    CK_RSA_PKCS_OAEP_PARAMS oaep = {CKM_SHA256, CKG_MGF1_SHA256, CKZ_DATA_SPECIFIED, "l", 1};
    OK(f->C_DecryptInit(session, &(CK_MECHANISM){CKM_RSA_PKCS_OAEP, &oaep, sizeof oaep}, 7));
    /* Bytes that fit no structure go as they are. */
    OK(f->C_SignInit(session, &(CK_MECHANISM){CKM_RSA_PKCS_PSS, iv, 3}, 7));
    OK(f->C_SignInit(session, NULL, 7));
    RV(CKR_ARGUMENTS_BAD, f->C_GenerateKey(session, NULL, NULL, 0, &key));
    RV(CKR_MECHANISM_PARAM_INVALID,
       f->C_VerifyInit(session, &(CK_MECHANISM){CKM_RSA_PKCS_PSS, NULL, 3}, 7));
    CK_X3DH_INITIATE_PARAMS foreign = {0};
    RV(CKR_MECHANISM_PARAM_INVALID,
       f->C_DeriveKey(session, &(CK_MECHANISM){CKM_X3DH_INITIALIZE, &foreign, sizeof foreign}, 7,
                      NULL, 0, &key));
    CK_SALSA20_CHACHA20_POLY1305_PARAMS chacha = {nonce, 96, NULL, 0};
    OK(f->C_DecryptInit(session,
                        &(CK_MECHANISM){CKM_CHACHA20_POLY1305, &chacha, sizeof chacha}, 7));

    CK_SP800_108_COUNTER_FORMAT counter = {CK_TRUE, 16};
    memset((char *)&counter + 1, 0, 7);
    CK_PRF_DATA_PARAM data[] = {
        {CK_SP800_108_ITERATION_VARIABLE, &counter, sizeof counter},
        {CK_SP800_108_BYTE_ARRAY, "ab", 2},
    };
    CK_ATTRIBUTE label = {CKA_LABEL, "k", 1};
    CK_DERIVED_KEY more = {&label, 1, &other};
    CK_SP800_108_KDF_PARAMS kdf = {CKM_SHA256_HMAC, 2, data, 1, &more};
    OK(f->C_DeriveKey(session, &(CK_MECHANISM){CKM_SP800_108_COUNTER_KDF, &kdf, sizeof kdf}, 7,
                      &label, 1, &key));
    CHECK(key == 77 && other == 78);

    /* A message: the token makes the IV and the tag. */
    OK(f->C_MessageEncryptInit(session, &(CK_MECHANISM){CKM_AES_GCM, NULL, 0}, 7));
    CK_GCM_MESSAGE_PARAMS message = {iv, sizeof iv, 32, CKG_GENERATE_COUNTER, tag, 128};
    length = sizeof out;
    OK(f->C_EncryptMessage(session, &message, sizeof message, NULL, 0, out, 4, out, &length));
    CHECK(length == 4 && memcmp(iv, "IVIVIVIVIVIV", 12) == 0 && memcmp(tag, "TTTT", 4) == 0);
    OK(f->C_MessageEncryptFinal(session));
    OK(f->C_MessageSignInit(session, &plain, 7));
    OK(f->C_SignMessageBegin(session, NULL, 0));
    OK(f->C_SignMessageNext(session, NULL, 0, out, 4, NULL, NULL));
    length = sizeof out;
    OK(f->C_SignMessageNext(session, NULL, 0, out, 4, out, &length));
    CHECK(length == 2);
    OK(f->C_Finalize(NULL));
}

/* --- Init and operation in one round trip; the test counts them --- */

static void memory(void)
{
    CK_BYTE out[64];
    CK_ULONG length = sizeof out;
    OK(f->C_Initialize(NULL));
    CK_SESSION_HANDLE session = open_session();
    say("opened");
    sign(session);
    say("signed: 2");
    sign(session);
    sign(session);
    say("signed again: 2");
    OK(f->C_SignInit(session, &plain, 7));
    RV(CKR_OPERATION_ACTIVE, f->C_SignInit(session, &plain, 7));
    OK(f->C_Sign(session, out, 4, NULL, &length));
    CHECK(length == 32);
    OK(f->C_SignInit(session, NULL, 0));
    say("begun and given up: 0");
    RV(CKR_OPERATION_NOT_INITIALIZED, f->C_Sign(session, out, 4, out, &length));
    say("not begun: 1");
    OK(f->C_SignInit(session, &plain, 8));
    OK(f->C_Sign(session, out, 4, out, &length));
    say("another key: 2");
    OK(f->C_SignInit(session, &plain, 8));
    OK(f->C_SignUpdate(session, out, 4));
    length = 0;
    OK(f->C_SignFinal(session, NULL, &length));
    CHECK(length == 32);
    OK(f->C_SignFinal(session, out, &length));
    say("in parts: 2");
    OK(f->C_Logout(session));
    say("logged out: 1");
    OK(f->C_SignInit(session, &plain, 8));
    OK(f->C_Sign(session, out, 4, out, &length));
    say("asked again: 2");
    OK(f->C_SignInit(session, &plain, 8));
    length = 1;
    RV(CKR_BUFFER_TOO_SMALL, f->C_Sign(session, out, 4, out, &length));
    OK(f->C_Sign(session, out, 4, out, &length));
    say("too small at first: 2");
    /* What a logout ends has begun before it, also where nobody had been told. */
    OK(f->C_SignInit(session, &plain, 8));
    OK(f->C_Logout(session));
    length = sizeof out;
    RV(CKR_OPERATION_NOT_INITIALIZED, f->C_Sign(session, out, 4, out, &length));
    say("logged out in between: 2");
    sign(session);
    OK(f->C_SignInit(session, &plain, 8));
    OK(f->C_Sign(session, out, 4, out, &length));
    say("and asked again: 4");
    /* Somebody else takes the key away: now the operation says so. */
    OK(f->C_SignInit(session, &plain, 8));
    say("revoke");
    RV(CKR_KEY_HANDLE_INVALID, f->C_Sign(session, out, 4, out, &length));
    say("refused: 1");
    RV(CKR_KEY_HANDLE_INVALID, f->C_SignInit(session, &plain, 8));
    say("refused: 1");
    OK(f->C_DigestInit(session, &(CK_MECHANISM){CKM_SHA256, NULL, 0}));
    OK(f->C_DigestFinal(session, out, &length));
    OK(f->C_DigestInit(session, &(CK_MECHANISM){CKM_SHA256, NULL, 0}));
    OK(f->C_Login(session, CKU_CONTEXT_SPECIFIC, (CK_UTF8CHAR *)"1", 1));
    OK(f->C_DigestFinal(session, out, &length));
    say("a login between: 4");
    CK_OBJECT_HANDLE found[2];
    OK(f->C_FindObjectsInit(session, NULL, 0));
    OK(f->C_FindObjects(session, found, 2, &length));
    OK(f->C_FindObjects(session, found, 2, &length));
    OK(f->C_FindObjectsFinal(session));
    say("a search: 2");
    OK(f->C_CloseSession(session));
    RV(CKR_SESSION_HANDLE_INVALID, f->C_SignInit(session, &plain, 7));
    OK(f->C_Finalize(NULL));
}

/* --- threads --- */

static pthread_barrier_t barrier;

static void *work(void *unused)
{
    CK_SESSION_HANDLE session = open_session();
    pthread_barrier_wait(&barrier);
    for (int count = 0; count < 200; count++)
        sign(session);
    return unused;
}

static void start_threads(pthread_t *threads)
{
    pthread_barrier_init(&barrier, NULL, THREADS);
    for (int index = 0; index < THREADS; index++)
        CHECK(pthread_create(&threads[index], NULL, work, NULL) == 0);
}

static void join_threads(const pthread_t *threads)
{
    for (int index = 0; index < THREADS; index++)
        CHECK(pthread_join(threads[index], NULL) == 0);
}

static void *work_once(void *session)
{
    *(CK_SESSION_HANDLE *)session = open_session();
    return NULL;
}

static void threads(void)
{
    pthread_t all[THREADS];
    CK_SESSION_HANDLE session;
    /* The thread that initialises ends before the others begin; its session does not. */
    OK(f->C_Initialize(NULL));
    CHECK(pthread_create(&all[0], NULL, work_once, &session) == 0);
    CHECK(pthread_join(all[0], NULL) == 0);
    start_threads(all);
    join_threads(all);
    sign(session);
    for (int count = 0; count < 40; count++) {
        CHECK(pthread_create(&all[0], NULL, work_once, &session) == 0);
        CHECK(pthread_join(all[0], NULL) == 0);
    }
    sign(session);
    say("done");
    OK(f->C_Finalize(NULL));
}

static void *wait_for_slot(void *unused)
{
    CK_SLOT_ID slot;
    RV(CKR_CRYPTOKI_NOT_INITIALIZED, f->C_WaitForSlotEvent(0, &slot, NULL));
    return unused;
}

static void waiting(void)
{
    pthread_t thread;
    CK_SLOT_ID slot;
    OK(f->C_Initialize(NULL));
    RV(CKR_NO_EVENT, f->C_WaitForSlotEvent(CKF_DONT_BLOCK, &slot, NULL));
    RV(CKR_ARGUMENTS_BAD, f->C_WaitForSlotEvent(CKF_DONT_BLOCK, &slot, &slot));
    CHECK(pthread_create(&thread, NULL, wait_for_slot, NULL) == 0);
    /* Longer than the deadline of other calls. */
    usleep(1500000);
    OK(f->C_Finalize(NULL));
    CHECK(pthread_join(thread, NULL) == 0);
}

/* --- fork --- */

static void await_child(pid_t child)
{
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void forking(void)
{
    CK_INFO info;
    pthread_t all[THREADS];
    OK(f->C_Initialize(NULL));
    CK_SESSION_HANDLE session = open_session();
    sign(session);
    start_threads(all);
    for (int round = 0; round < 8; round++) {
        const pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            RV(CKR_CRYPTOKI_NOT_INITIALIZED, f->C_GetInfo(&info));
            RV(CKR_CRYPTOKI_NOT_INITIALIZED, f->C_Finalize(NULL));
            OK(f->C_Initialize(NULL));
            RV(CKR_SESSION_HANDLE_INVALID, f->C_SignInit(session, &plain, 7));
            sign(open_session());
            if (round % 2 == 0)
                OK(f->C_Finalize(NULL));
            _exit(0);
        }
        sign(session);
        await_child(child);
        sign(session);
    }
    join_threads(all);
    sign(session);
    OK(f->C_Finalize(NULL));
}

/* With CLAVIGER_FORK=reinitialise: as servers do that load the module and then fork workers. */
static void workers(void)
{
    OK(f->C_Initialize(NULL));
    CK_SESSION_HANDLE session = open_session();
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        RV(CKR_SESSION_HANDLE_INVALID, f->C_SignInit(session, &plain, 7));
        sign(open_session());
        OK(f->C_Finalize(NULL));
        RV(CKR_CRYPTOKI_NOT_INITIALIZED, f->C_CloseSession(session));
        _exit(0);
    }
    await_child(child);
    sign(session);
    OK(f->C_Finalize(NULL));
}

#define LARGE_BYTES ((size_t)600 << 10)

/* Around the moment at which a thread of ours gives back memory. */
static atomic_bool is_watched;
static pthread_barrier_t freed;

#if defined __GLIBC__ && !defined __SANITIZE_ADDRESS__ && !defined __SANITIZE_THREAD__
extern void __libc_free(void *memory);

/* What the module finds instead of the system's. */
void free(void *memory)
{
    const bool is_large = memory != NULL && malloc_usable_size(memory) > LARGE_BYTES / 2;
    __libc_free(memory);
    if (is_large && atomic_exchange(&is_watched, false)) {
        pthread_barrier_wait(&freed);
        pthread_barrier_wait(&freed);
    }
}
#define CAN_WATCH true
#else
#define CAN_WATCH false
#endif

static void *call_with_much(void *session)
{
    CK_BYTE *data = malloc(LARGE_BYTES);
    atomic_store(&is_watched, CAN_WATCH);
    OK(f->C_GenerateRandom((CK_SESSION_HANDLE)session, data, LARGE_BYTES));
    free(data);
    return NULL;
}

/* A child that is made while another thread gives its buffers back does not use them. */
static void forking_at_free(void)
{
    pthread_t thread;
    CHECK(pthread_barrier_init(&freed, NULL, 2) == 0);
    OK(f->C_Initialize(NULL));
    CK_SESSION_HANDLE session = open_session();
    CHECK(pthread_create(&thread, NULL, call_with_much, (void *)session) == 0);
    if (CAN_WATCH)
        pthread_barrier_wait(&freed);
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        OK(f->C_Initialize(NULL));
        /* Only this thread is here: there is nobody to wait for. */
        session = open_session();
        CK_BYTE *data = malloc(LARGE_BYTES);
        OK(f->C_GenerateRandom(session, data, LARGE_BYTES));
        _exit(0);
    }
    await_child(child);
    if (CAN_WATCH)
        pthread_barrier_wait(&freed);
    CHECK(pthread_join(thread, NULL) == 0);
    sign(session);
    OK(f->C_Finalize(NULL));
}

/* --- what else processes do --- */

static void *unload_and_end(void *unused)
{
    sign(open_session());
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    return unused;
}

static void unloading(void)
{
    pthread_t thread;
    pthread_barrier_init(&barrier, NULL, 2);
    OK(f->C_Initialize(NULL));
    CHECK(pthread_create(&thread, NULL, unload_and_end, NULL) == 0);
    pthread_barrier_wait(&barrier);
    OK(f->C_Finalize(NULL));
    CHECK(dlclose(library) == 0);
    /* A thread that had a connection ends after the library is closed. */
    pthread_barrier_wait(&barrier);
    CHECK(pthread_join(thread, NULL) == 0);
    library = dlopen(getenv("MODULE"), RTLD_NOW);
    CHECK(library != NULL);
    OK(f->C_Initialize(NULL));
    sign(open_session());
    OK(f->C_Finalize(NULL));
}

static void closing(void)
{
    int pair[2];
    char text[8] = "";
    OK(f->C_Initialize(NULL));
    CK_SESSION_HANDLE session = open_session();
    sign(session);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    /* Another connection of the application keeps its sessions meanwhile. */
    say("hold");
    for (int fd = 3; fd < 64; fd++)
        close(fd);
    OK(f->C_CloseSession(open_session()));
    for (int fd = 3; fd < 64; fd++)
        close(fd);
    /* The same numbers are other things by now; nothing of ours may go there, nor be closed. */
    while (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0 && pair[1] < 40)
        ;
    OK(f->C_CloseSession(open_session()));
    OK(f->C_Finalize(NULL));
    for (int fd = 3; fd < 40; fd++) {
        CHECK(fcntl(fd, F_GETFD) >= 0);
        CHECK(recv(fd, text, sizeof text, MSG_DONTWAIT) < 0 && errno == EAGAIN);
    }
}

static void at_exit(void)
{
    CK_INFO info;
    OK(f->C_GetInfo(&info));
    OK(f->C_Finalize(NULL));
}

static void *work_to_the_end(void *unused)
{
    CK_BYTE out[64];
    CK_ULONG length = sizeof out;
    CK_SESSION_HANDLE session = 0;
    if (f->C_OpenSession(1, CKF_SERIAL_SESSION, NULL, NULL, &session) != CKR_OK)
        return unused;
    while (f->C_SignInit(session, &plain, 7) == CKR_OK &&
           f->C_Sign(session, out, 4, out, &length) == CKR_OK)
        ;
    return unused;
}

static void exiting(void)
{
    pthread_t all[THREADS];
    atexit(at_exit);
    OK(f->C_Initialize(NULL));
    for (int index = 0; index < THREADS; index++)
        CHECK(pthread_create(&all[index], NULL, work_to_the_end, NULL) == 0);
    usleep(20000);
    /* Returns to main() while the threads are at work. */
}

static void restart(void)
{
    CK_INFO info;
    CK_BYTE out[64];
    CK_ULONG length = sizeof out;
    OK(f->C_Initialize(NULL));
    CK_SESSION_HANDLE session = open_session();
    sign(session);
    OK(f->C_SignInit(session, &plain, 7));
    say("down");
    CHECK(f->C_GetInfo(&info) == CKR_DEVICE_REMOVED);
    say("up");
    /* The Init that was answered from memory was never one of this server. */
    CK_RV rv = f->C_Sign(session, out, 4, out, &length);
    CHECK(rv == CKR_SESSION_HANDLE_INVALID || rv == CKR_OPERATION_NOT_INITIALIZED);
    RV(CKR_SESSION_HANDLE_INVALID, f->C_SignInit(session, &plain, 7));
    session = open_session();
    sign(session);
    sign(session);
    say("break");
    RV(CKR_DEVICE_ERROR, f->C_GetInfo(&info));
    OK(f->C_GetInfo(&info));
    /* Its only connection was lost, and with it the application. */
    RV(CKR_SESSION_HANDLE_INVALID, f->C_SignInit(session, &plain, 7));
    sign(open_session());
    OK(f->C_Finalize(NULL));
}

static void deadline(void)
{
    CK_INFO info;
    OK(f->C_Initialize(NULL));
    CK_SESSION_HANDLE session = open_session();
    say("silent");
    double began = now();
    RV(CKR_DEVICE_ERROR, f->C_GetInfo(&info));
    CHECK(now() - began > 0.9 && now() - began < 3);
    say("slow");
    began = now();
    RV(CKR_DEVICE_ERROR, f->C_GetInfo(&info));
    CHECK(now() - began > 0.9 && now() - began < 3);
    say("well");
    OK(f->C_GetInfo(&info));
    sign(session);
    OK(f->C_Finalize(NULL));
}

static void agent(void)
{
    pthread_t all[THREADS];
    /* Something that an agent has no business with. */
    CHECK(open("/dev/null", O_RDONLY) >= 0);
    CHECK(dup2(1, 90) == 90);
    const double began = now();
    OK(f->C_Initialize(NULL));
    printf("%.1f ms\n", (now() - began) * 1e3);
    CHECK(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
    sign(open_session());
    start_threads(all);
    join_threads(all);
    OK(f->C_Finalize(NULL));
}

static void no_server(void)
{
    const double began = now();
    RV(CKR_FUNCTION_FAILED, f->C_Initialize(NULL));
    CHECK(now() - began < 3);
}

/* --- the real engine --- */

static CK_OBJECT_HANDLE make_secret(CK_SESSION_HANDLE session, CK_MECHANISM_TYPE type,
                                    CK_ULONG length)
{
    CK_OBJECT_HANDLE key;
    CK_ATTRIBUTE template[] = {
        {CKA_SIGN, &yes, 1},    {CKA_VERIFY, &yes, 1},  {CKA_ENCRYPT, &yes, 1},
        {CKA_DECRYPT, &yes, 1}, {CKA_LABEL, "own", 3},  {CKA_VALUE_LEN, &length, sizeof length},
        {CKA_TOKEN, &yes, 1},
    };
    OK(f->C_GenerateKey(session, &(CK_MECHANISM){type, NULL, 0}, template, 7, &key));
    return key;
}

/* The same signature in one part, in parts, and again without asking; verified too. */
static void engine_sign(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key)
{
    CK_BYTE data[] = "what is signed", first[32], other[32];
    CK_ULONG length = sizeof first;
    for (int round = 0; round < 3; round++) {
        OK(f->C_SignInit(session, &plain, key));
        OK(f->C_Sign(session, data, sizeof data, NULL, &length));
        CHECK(length == 32);
        OK(f->C_Sign(session, data, sizeof data, round == 0 ? first : other, &length));
        CHECK(round == 0 || memcmp(first, other, 32) == 0);
    }
    OK(f->C_SignInit(session, &plain, key));
    OK(f->C_SignUpdate(session, data, 4));
    OK(f->C_SignUpdate(session, data + 4, sizeof data - 4));
    length = 0;
    OK(f->C_SignFinal(session, NULL, &length));
    RV(CKR_BUFFER_TOO_SMALL, f->C_SignFinal(session, other, &(CK_ULONG){31}));
    OK(f->C_SignFinal(session, other, &length));
    CHECK(length == 32 && memcmp(first, other, 32) == 0);
    RV(CKR_OPERATION_NOT_INITIALIZED, f->C_SignFinal(session, other, &length));
    for (int round = 0; round < 3; round++) {
        OK(f->C_VerifyInit(session, &plain, key));
        OK(f->C_Verify(session, data, sizeof data, first, 32));
        OK(f->C_VerifyInit(session, &plain, key));
        first[0] ^= 1;
        RV(CKR_SIGNATURE_INVALID, f->C_Verify(session, data, sizeof data, first, 32));
        first[0] ^= 1;
    }
    RV(CKR_OPERATION_NOT_INITIALIZED, f->C_Verify(session, data, sizeof data, first, 32));
}

static void engine_encrypt(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key)
{
    CK_BYTE data[40] = "plain", iv[16] = {0}, out[80], back[80], tag[16];
    CK_ULONG length, asked;
    CK_MECHANISM padded = {CKM_AES_CBC_PAD, iv, sizeof iv};
    for (CK_ULONG size = 0; size <= sizeof data; size++) {
        iv[0] = (CK_BYTE)size;
        OK(f->C_EncryptInit(session, &padded, key));
        OK(f->C_Encrypt(session, data, size, NULL, &asked));
        length = asked;
        OK(f->C_Encrypt(session, data, size, out, &length));
        CHECK(length == (size / 16 + 1) * 16 && length <= asked);
        OK(f->C_DecryptInit(session, &padded, key));
        OK(f->C_Decrypt(session, out, length, NULL, &asked));
        CHECK(asked >= size);
        asked = sizeof back;
        OK(f->C_Decrypt(session, out, length, back, &asked));
        CHECK(asked == size && memcmp(back, data, size) == 0);
    }
    CK_GCM_PARAMS gcm = {iv, 12, 96, data, 5, 128};
    CK_MECHANISM authenticated = {CKM_AES_GCM, &gcm, sizeof gcm};
    for (int round = 0; round < 3; round++) {
        iv[1] = (CK_BYTE)round;
        OK(f->C_EncryptInit(session, &authenticated, key));
        length = sizeof out;
        OK(f->C_Encrypt(session, data, 20, out, &length));
        CHECK(length == 36);
        OK(f->C_DecryptInit(session, &authenticated, key));
        OK(f->C_Decrypt(session, out, 36, NULL, &asked));
        CHECK(asked >= 20);
        OK(f->C_Decrypt(session, out, 36, back, &length));
        CHECK(length == 20 && memcmp(back, data, 20) == 0);
    }
    /* A message, whose IV and tag come back into the caller's structure. */
    CK_GCM_MESSAGE_PARAMS message = {iv, 12, 0, CKG_GENERATE_RANDOM, tag, 128};
    memset(iv, 0, sizeof iv);
    memset(tag, 0, sizeof tag);
    OK(f->C_MessageEncryptInit(session, &(CK_MECHANISM){CKM_AES_GCM, NULL, 0}, key));
    length = sizeof out;
    OK(f->C_EncryptMessage(session, &message, sizeof message, data, 5, data, 20, out, &length));
    CHECK(length == 20 && iv[11] + iv[10] + iv[9] + iv[8] > 0 && tag[0] + tag[1] + tag[2] > 0);
    OK(f->C_MessageEncryptFinal(session));
    OK(f->C_MessageDecryptInit(session, &(CK_MECHANISM){CKM_AES_GCM, NULL, 0}, key));
    message.ivGenerator = CKG_NO_GENERATE;
    OK(f->C_DecryptMessage(session, &message, sizeof message, data, 5, out, 20, back, &length));
    CHECK(length == 20 && memcmp(back, data, 20) == 0);
    OK(f->C_MessageDecryptFinal(session));
}

static void engine_objects(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key)
{
    CK_BYTE label[8], value[32];
    CK_ULONG count, type;
    CK_OBJECT_HANDLE found[4];
    CK_ATTRIBUTE wanted[] = {
        {CKA_LABEL, label, sizeof label}, {CKA_KEY_TYPE, &type, sizeof type},
        {CKA_VALUE, value, sizeof value}, {CKA_MODULUS, value, sizeof value},
    };
    const CK_RV rv = f->C_GetAttributeValue(session, key, wanted, 4);
    CHECK(rv == CKR_ATTRIBUTE_SENSITIVE || rv == CKR_ATTRIBUTE_TYPE_INVALID);
    CHECK(wanted[0].ulValueLen == 3 && memcmp(label, "own", 3) == 0);
    CHECK(wanted[1].ulValueLen == sizeof type);
    CHECK(wanted[3].ulValueLen == CK_UNAVAILABLE_INFORMATION);
    OK(f->C_FindObjectsInit(session, wanted, 1));
    OK(f->C_FindObjects(session, found, 4, &count));
    CHECK(count >= 1);
    OK(f->C_FindObjectsFinal(session));
}

/* Two keys from one, the second of which is told in the parameter. */
static void engine_derive(CK_SESSION_HANDLE session)
{
    CK_OBJECT_HANDLE base, key = 0, other = 0;
    CK_ULONG length = 32, class = CKO_SECRET_KEY, type = CKK_GENERIC_SECRET;
    CK_ATTRIBUTE template[] = {
        {CKA_CLASS, &class, sizeof class}, {CKA_KEY_TYPE, &type, sizeof type},
        {CKA_DERIVE, &yes, 1},             {CKA_SIGN, &yes, 1},
        {CKA_VERIFY, &yes, 1},             {CKA_VALUE_LEN, &length, sizeof length},
    };
    OK(f->C_GenerateKey(session, &(CK_MECHANISM){CKM_GENERIC_SECRET_KEY_GEN, NULL, 0}, template, 6,
                        &base));
    CK_SP800_108_COUNTER_FORMAT counter = {CK_FALSE, 32};
    memset((char *)&counter + 1, 0, 7);
    CK_PRF_DATA_PARAM data[] = {
        {CK_SP800_108_ITERATION_VARIABLE, &counter, sizeof counter},
        {CK_SP800_108_BYTE_ARRAY, "label", 5},
    };
    CK_DERIVED_KEY more = {template, 6, &other};
    CK_SP800_108_KDF_PARAMS kdf = {CKM_SHA256_HMAC, 2, data, 1, &more};
    OK(f->C_DeriveKey(session, &(CK_MECHANISM){CKM_SP800_108_COUNTER_KDF, &kdf, sizeof kdf}, base,
                      template, 6, &key));
    CHECK(other != 0 && other != key);
    engine_sign(session, key);
    engine_sign(session, other);
}

/*
 * The keys of a connection: handles and initialisation vectors are told in the parameter, and no
 * handle is asked for. The vectors are those of `openssl kdf ... TLS1-PRF`.
 */
static void engine_tls(CK_SESSION_HANDLE session)
{
    static const CK_BYTE expected[] = {0x4c, 0x9f, 0xae, 0x0e, 0x9f, 0x68, 0x9e, 0xae};
    CK_BYTE master[48], client[32], server[32], one[6], two[6], value[16];
    CK_OBJECT_HANDLE base;
    CK_ULONG class = CKO_SECRET_KEY, type = CKK_GENERIC_SECRET, aes = CKK_AES;
    CK_BBOOL no = CK_FALSE;
    memset(master, 0x5a, sizeof master);
    memset(client, 1, sizeof client);
    memset(server, 2, sizeof server);
    memset(one, 0xee, sizeof one);
    memset(two, 0xee, sizeof two);
    CK_ATTRIBUTE given[] = {
        {CKA_CLASS, &class, sizeof class},       {CKA_KEY_TYPE, &type, sizeof type},
        {CKA_VALUE, master, sizeof master},      {CKA_DERIVE, &yes, 1},
        {CKA_SENSITIVE, &no, 1},                 {CKA_EXTRACTABLE, &yes, 1},
    };
    CK_ATTRIBUTE template[] = {{CKA_CLASS, &class, sizeof class},
                               {CKA_KEY_TYPE, &aes, sizeof aes}};
    OK(f->C_CreateObject(session, given, 6, &base));
    CK_SSL3_KEY_MAT_OUT out = {9, 9, 9, 9, one, two};
    CK_TLS12_KEY_MAT_PARAMS parameter = {
        0, 128, 32, CK_FALSE, {client, sizeof client, server, sizeof server}, &out, CKM_SHA256};
    CK_MECHANISM mechanism = {CKM_TLS12_KEY_AND_MAC_DERIVE, &parameter, sizeof parameter};
    OK(f->C_DeriveKey(session, &mechanism, base, template, 2, NULL));
    CHECK(out.hClientMacSecret == 0 && out.hServerMacSecret == 0);
    CHECK(out.hClientKey != 9 && out.hServerKey != 9 && out.hClientKey != out.hServerKey);
    CHECK(memcmp(one, expected, 4) == 0 && memcmp(two, expected + 4, 4) == 0);
    CHECK(one[4] == 0xee && one[5] == 0xee && two[4] == 0xee && two[5] == 0xee);
    OK(f->C_GetAttributeValue(session, out.hServerKey,
                              &(CK_ATTRIBUTE){CKA_VALUE, value, sizeof value}, 1));
    parameter.ulMacSizeInBits = 256;
    mechanism.mechanism = CKM_TLS12_KEY_SAFE_DERIVE;
    out = (CK_SSL3_KEY_MAT_OUT){0, 0, 0, 0, NULL, NULL};
    OK(f->C_DeriveKey(session, &mechanism, base, template, 2, NULL));
    CHECK(out.hClientMacSecret != 0 && out.hServerMacSecret != 0 && out.hServerKey != 0);
    mechanism.mechanism = CKM_TLS12_KEY_AND_MAC_DERIVE;
    RV(CKR_MECHANISM_PARAM_INVALID, f->C_DeriveKey(session, &mechanism, base, template, 2, NULL));
    parameter.pReturnedKeyMaterial = NULL;
    RV(CKR_MECHANISM_PARAM_INVALID, f->C_DeriveKey(session, &mechanism, base, template, 2, NULL));
    /* Other mechanisms have one handle to tell. */
    CK_KEY_DERIVATION_STRING_DATA more = {client, sizeof client};
    mechanism = (CK_MECHANISM){CKM_CONCATENATE_BASE_AND_DATA, &more, sizeof more};
    RV(CKR_ARGUMENTS_BAD, f->C_DeriveKey(session, &mechanism, base, template, 2, NULL));
}

/* A parameter that is a number says how long the output is: an Init with another is another. */
static void engine_lengths(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key)
{
    static const CK_ULONG lengths[] = {4, 32, 1, 4};
    CK_BYTE out[32];
    for (size_t index = 0; index < sizeof lengths / sizeof *lengths; index++) {
        CK_ULONG wanted = lengths[index], length = 0;
        CK_MECHANISM general = {CKM_SHA256_HMAC_GENERAL, &wanted, sizeof wanted};
        OK(f->C_SignInit(session, &general, key));
        OK(f->C_Sign(session, out, 4, NULL, &length));
        CHECK(length == wanted);
        OK(f->C_Sign(session, out, 4, out, &length));
        CHECK(length == wanted);
        wanted = 33;
        RV(CKR_MECHANISM_PARAM_INVALID, f->C_SignInit(session, &general, key));
    }
}

/* Longer than the server takes in one call, and not a whole number of blocks. */
#define LONG_BYTES (((CK_ULONG)5 << 20) + 5)
#define RANDOM_BYTES (((CK_ULONG)17 << 20) + 1)

/* What is made of data in one part, and of the same data in parts that the server does take. */
static void engine_long(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE cipher, CK_OBJECT_HANDLE key)
{
    CK_MECHANISM digest = {CKM_SHA256, NULL, 0};
    CK_MECHANISM padded = {CKM_AES_CBC_PAD, (CK_BYTE[16]){0}, 16};
    static const CK_BYTE zeros[32];
    CK_BYTE whole[32], parts[32];
    CK_ULONG length = 0, at = 0, last;
    CK_BYTE *data = malloc(LONG_BYTES), *output = malloc(LONG_BYTES + 32);
    CHECK(data != NULL && output != NULL);
    for (CK_ULONG index = 0; index < LONG_BYTES; index++)
        data[index] = (CK_BYTE)(index * 31 + (index >> 13));

    OK(f->C_DigestInit(session, &digest));
    for (CK_ULONG part = 1 << 20; at < LONG_BYTES; at += part)
        OK(f->C_DigestUpdate(session, data + at, LONG_BYTES - at < part ? LONG_BYTES - at : part));
    length = sizeof parts;
    OK(f->C_DigestFinal(session, parts, &length));
    OK(f->C_DigestInit(session, &digest));
    OK(f->C_DigestUpdate(session, data, LONG_BYTES));
    length = sizeof whole;
    OK(f->C_DigestFinal(session, whole, &length));
    CHECK(memcmp(whole, parts, sizeof whole) == 0);
    OK(f->C_DigestInit(session, &digest));
    length = 0;
    OK(f->C_Digest(session, data, LONG_BYTES, NULL, &length));
    CHECK(length == 32);
    length = 31;
    RV(CKR_BUFFER_TOO_SMALL, f->C_Digest(session, data, LONG_BYTES, whole, &length));
    CHECK(length == 32);
    memset(whole, 0, sizeof whole);
    OK(f->C_Digest(session, data, LONG_BYTES, whole, &length));
    CHECK(memcmp(whole, parts, sizeof whole) == 0);
    RV(CKR_OPERATION_NOT_INITIALIZED, f->C_DigestUpdate(session, data, LONG_BYTES));
    RV(CKR_OPERATION_NOT_INITIALIZED, f->C_Digest(session, data, LONG_BYTES, whole, &length));

    OK(f->C_SignInit(session, &plain, key));
    length = sizeof whole;
    OK(f->C_Sign(session, data, LONG_BYTES, whole, &length));
    OK(f->C_SignInit(session, &plain, key));
    OK(f->C_SignUpdate(session, data, LONG_BYTES));
    OK(f->C_SignFinal(session, parts, &length));
    CHECK(memcmp(whole, parts, sizeof whole) == 0);
    OK(f->C_VerifyInit(session, &plain, key));
    OK(f->C_Verify(session, data, LONG_BYTES, whole, length));
    OK(f->C_VerifyInit(session, &plain, key));
    RV(CKR_SIGNATURE_INVALID, f->C_Verify(session, data, LONG_BYTES - 1, whole, length));
    OK(f->C_VerifySignatureInit(session, &plain, key, whole, length));
    OK(f->C_VerifySignature(session, data, LONG_BYTES));

    /* Data in one part does not end what has had parts, and what has had them goes on. */
    OK(f->C_VerifyInit(session, &plain, key));
    OK(f->C_VerifyUpdate(session, data, 5));
    RV(CKR_OPERATION_ACTIVE, f->C_Verify(session, data, LONG_BYTES, whole, length));
    RV(CKR_OPERATION_ACTIVE, f->C_Verify(session, data, 5, whole, length));
    OK(f->C_VerifyUpdate(session, data + 5, LONG_BYTES - 5));
    OK(f->C_VerifyFinal(session, whole, length));
    RV(CKR_OPERATION_NOT_INITIALIZED, f->C_Verify(session, data, LONG_BYTES, whole, length));
    OK(f->C_VerifySignatureInit(session, &plain, key, whole, length));
    OK(f->C_VerifySignatureUpdate(session, data, 5));
    RV(CKR_OPERATION_ACTIVE, f->C_VerifySignature(session, data, LONG_BYTES));
    OK(f->C_VerifySignatureUpdate(session, data + 5, LONG_BYTES - 5));
    OK(f->C_VerifySignatureFinal(session));
    OK(f->C_VerifyInit(session, &plain, key));
    OK(f->C_Verify(session, data, LONG_BYTES, whole, length));
    OK(f->C_VerifySignatureInit(session, &plain, key, whole, length));
    OK(f->C_VerifySignature(session, data, LONG_BYTES));

    /* The lengths are those of the whole, and what does not fit changes nothing. */
    OK(f->C_EncryptInit(session, &padded, cipher));
    OK(f->C_EncryptUpdate(session, data, LONG_BYTES, NULL, &length));
    CHECK(length == LONG_BYTES - 5);
    length--;
    RV(CKR_BUFFER_TOO_SMALL, f->C_EncryptUpdate(session, data, LONG_BYTES, output, &length));
    CHECK(length == LONG_BYTES - 5);
    OK(f->C_EncryptUpdate(session, data, LONG_BYTES, output, &length));
    last = 16;
    OK(f->C_EncryptFinal(session, output + length, &last));
    CHECK(length + last == LONG_BYTES + 11);
    OK(f->C_DecryptInit(session, &padded, cipher));
    length = LONG_BYTES + 32;
    /* In place, as the standard allows. */
    OK(f->C_Decrypt(session, output, LONG_BYTES + 11, output, &length));
    CHECK(length == LONG_BYTES && memcmp(output, data, LONG_BYTES) == 0);

    /* More random bytes than the server makes at a time; of so many, none are all alike. */
    CK_BYTE *random = calloc(1, RANDOM_BYTES);
    CHECK(random != NULL);
    OK(f->C_GenerateRandom(session, random, RANDOM_BYTES));
    for (CK_ULONG index = 0; index < RANDOM_BYTES; index += RANDOM_BYTES / 64)
        CHECK(index + 32 > RANDOM_BYTES || memcmp(random + index, zeros, sizeof zeros) != 0);
    CHECK(memcmp(random + RANDOM_BYTES - 32, zeros, sizeof zeros) != 0);
    free(random);

    /* What cannot go in parts is refused here, and costs nothing else. */
    RV(CKR_DATA_LEN_RANGE, f->C_SeedRandom(session, data, LONG_BYTES));
    free(data);
    free(output);
}

static CK_OBJECT_HANDLE shared_key;

static void *engine_work(void *unused)
{
    CK_SESSION_HANDLE session = open_session();
    for (int round = 0; round < 10; round++)
        engine_sign(session, shared_key);
    return unused;
}

static void engine(void)
{
    CK_BYTE out[64];
    CK_ULONG length = sizeof out;
    CK_SLOT_ID slot;
    pthread_t all[THREADS];
    OK(f->C_Initialize(NULL));
    length = 1;
    OK(f->C_GetSlotList(CK_TRUE, &slot, &length));
    CK_SESSION_HANDLE session;
    OK(f->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session));
    first_slot = slot;
    shared_key = make_secret(session, CKM_GENERIC_SECRET_KEY_GEN, 32);
    CK_OBJECT_HANDLE cipher = make_secret(session, CKM_AES_KEY_GEN, 32);
    engine_sign(session, shared_key);
    engine_encrypt(session, cipher);
    engine_objects(session, shared_key);
    engine_derive(session);
    engine_tls(session);
    for (int index = 0; index < THREADS; index++)
        CHECK(pthread_create(&all[index], NULL, engine_work, NULL) == 0);
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        RV(CKR_CRYPTOKI_NOT_INITIALIZED, f->C_SignInit(session, &plain, shared_key));
        OK(f->C_Initialize(NULL));
        RV(CKR_SESSION_HANDLE_INVALID, f->C_SignInit(session, &plain, shared_key));
        _exit(0);
    }
    await_child(child);
    join_threads(all);
    engine_sign(session, shared_key);

    engine_long(session, cipher, shared_key);
    engine_lengths(session, shared_key);
    engine_sign(session, shared_key);

    /* A destroyed key does not sign, not even from memory. */
    OK(f->C_DestroyObject(session, shared_key));
    RV(CKR_KEY_HANDLE_INVALID, f->C_SignInit(session, &plain, shared_key));
    say("down");
    CHECK(f->C_SignInit(session, &plain, cipher) == CKR_DEVICE_REMOVED);
    say("up");
    RV(CKR_SESSION_HANDLE_INVALID, f->C_SignInit(session, &plain, cipher));
    OK(f->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session));
    engine_sign(session, make_secret(session, CKM_GENERIC_SECRET_KEY_GEN, 32));
    OK(f->C_Finalize(NULL));
}

/* --- a peer that answers anything --- */

static uint64_t state;

static uint32_t next(uint32_t below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state % below);
}

/* Memory that is exactly as long as it says, so that a byte more is noticed. */
static void *heap(CK_ULONG length)
{
    void *data = malloc(length == 0 ? 1 : length);
    CHECK(data != NULL);
    memset(data, 0, length);
    return data;
}

static void fuzz_attributes(CK_SESSION_HANDLE session)
{
    static const CK_ATTRIBUTE_TYPE types[] = {CKA_LABEL, CKA_WRAP_TEMPLATE, CKA_ID, CKA_CLASS,
                                              CKA_VALUE};
    const CK_ULONG count = next(5);
    CK_ATTRIBUTE *wanted = heap(count * sizeof *wanted);
    for (CK_ULONG index = 0; index < count; index++) {
        wanted[index].type = types[next(5)];
        wanted[index].ulValueLen = next(3) * sizeof(CK_ATTRIBUTE);
        if (next(3) > 0)
            wanted[index].pValue = heap(wanted[index].ulValueLen);
    }
    f->C_GetAttributeValue(session, 5, wanted, count);
    for (CK_ULONG index = 0; index < count; index++)
        free(wanted[index].pValue);
    free(wanted);
}

static void fuzz_parameters(CK_SESSION_HANDLE session)
{
    CK_BYTE *iv = heap(12), *tag = heap(16), *out = heap(4);
    CK_ULONG length = 4;
    CK_OBJECT_HANDLE key, *other = heap(sizeof *other);
    CK_ATTRIBUTE label = {CKA_LABEL, "k", 1};
    CK_DERIVED_KEY *more = heap(sizeof *more);
    *more = (CK_DERIVED_KEY){&label, 1, other};
    CK_SP800_108_KDF_PARAMS kdf = {CKM_SHA256_HMAC, 0, NULL, 1, more};
    CK_GCM_MESSAGE_PARAMS message = {iv, 12, 32, CKG_GENERATE_COUNTER, tag, 128};
    if (next(2) == 0) {
        f->C_DeriveKey(session, &(CK_MECHANISM){CKM_SP800_108_COUNTER_KDF, &kdf, sizeof kdf}, 7,
                       &label, 1, &key);
    } else {
        f->C_MessageEncryptInit(session, &(CK_MECHANISM){CKM_AES_GCM, NULL, 0}, 7);
        f->C_EncryptMessage(session, &message, sizeof message, NULL, 0, iv, 4, out, &length);
    }
    free(iv);
    free(tag);
    free(out);
    free(other);
    free(more);
}

static void fuzz_operation(CK_SESSION_HANDLE session)
{
    const CK_ULONG room = next(40);
    CK_ULONG length = room;
    CK_BYTE *out = next(4) == 0 ? NULL : heap(room);
    CK_BYTE data[16] = {0};
    f->C_SignInit(session, &plain, 7 + next(2));
    if (next(3) == 0) {
        f->C_SignUpdate(session, data, next(16));
        f->C_SignFinal(session, out, &length);
    } else {
        f->C_Sign(session, data, next(16), out, &length);
    }
    free(out);
}

static void fuzz_lists(CK_SESSION_HANDLE session)
{
    const CK_ULONG room = next(4);
    CK_ULONG count = room, *list = next(4) == 0 ? NULL : heap(room * sizeof *list);
    CK_BYTE *random = heap(room);
    switch (next(4)) {
    case 0:
        f->C_GetSlotList(CK_TRUE, list, &count);
        break;
    case 1:
        f->C_GetMechanismList(1, list, &count);
        break;
    case 2:
        f->C_FindObjectsInit(session, NULL, 0);
        f->C_FindObjects(session, list, room, &count);
        f->C_FindObjects(session, list, room, &count);
        break;
    default:
        f->C_GenerateRandom(session, random, room);
        f->C_FindObjectsInit(session, NULL, 0);
        f->C_FindObjectsFinal(session);
    }
    free(list);
    free(random);
}

static void fuzz_structures(CK_SESSION_HANDLE session)
{
    CK_TOKEN_INFO *token = heap(sizeof *token);
    CK_SESSION_INFO *info = heap(sizeof *info);
    CK_SLOT_INFO *slot = heap(sizeof *slot);
    f->C_GetTokenInfo(1, token);
    f->C_GetSessionInfo(session, info);
    f->C_GetSlotInfo(1, slot);
    free(token);
    free(info);
    free(slot);
}

static void fuzz(void)
{
    const double began = now();
    const double seconds = atof(getenv("SECONDS"));
    const unsigned long enough = strtoul(getenv("CALLS"), NULL, 10);
    unsigned long calls = 0;
    state = strtoull(getenv("SEED"), NULL, 10) | 1;
    while (calls < enough && now() - began < seconds) {
        /* C_Initialize is answered in disorder too. */
        if (f->C_Initialize(NULL) != CKR_OK)
            continue;
        for (int count = 0; count < 300 && now() - began < seconds; count++, calls++) {
            CK_SESSION_HANDLE session = 1 + next(3);
            if (next(10) == 0)
                f->C_OpenSession(1, CKF_SERIAL_SESSION, NULL, NULL, &session);
            switch (next(5)) {
            case 0:
                fuzz_attributes(session);
                break;
            case 1:
                fuzz_parameters(session);
                break;
            case 2:
                fuzz_operation(session);
                break;
            case 3:
                fuzz_lists(session);
                break;
            default:
                fuzz_structures(session);
            }
        }
        f->C_Finalize(NULL);
    }
    printf("%lu calls\n", calls);
}

/* --- signals --- */

static int interruptions;

/* What the module finds instead of the system's: a signal ends it before it has begun. */
int connect(int fd, const struct sockaddr *address, socklen_t length)
{
    if (interruptions > 0) {
        interruptions--;
        errno = EINTR;
        return -1;
    }
    int (*real)(int, const struct sockaddr *, socklen_t) = NULL;
    *(void **)&real = dlsym(RTLD_NEXT, "connect");
    return real(fd, address, length);
}

static volatile sig_atomic_t signals;

static void count_signal(int number)
{
    (void)number;
    signals++;
}

/* A profiler's timer, or the garbage collector of a language: calls do not fail for them. */
static void interrupted(void)
{
    interruptions = 3;
    OK(f->C_Initialize(NULL));
    CHECK(interruptions == 0);
    const struct sigaction counts = {.sa_handler = count_signal};
    const struct itimerval often = {{0, 500}, {0, 500}}, never = {0};
    CHECK(sigaction(SIGALRM, &counts, NULL) == 0);
    CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
    CK_SESSION_HANDLE session = open_session();
    for (const double began = now(); now() - began < 0.5;)
        sign(session);
    CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0);
    CHECK(signals > 10);
    OK(f->C_Finalize(NULL));
}

static const struct {
    const char *name;
    void (*run)(void);
} SCENARIOS[] = {
    {"interfaces", interfaces}, {"uninitialised", uninitialised}, {"symbols", symbols},
    {"lifecycle", lifecycle},   {"reserved", reserved},           {"buffers", buffers},
    {"attributes", attributes}, {"parameters", parameters},       {"memory", memory},
    {"threads", threads},       {"waiting", waiting},             {"forking", forking},
    {"workers", workers},       {"unloading", unloading},         {"closing", closing},
    {"exiting", exiting},       {"restart", restart},             {"deadline", deadline},
    {"agent", agent},           {"no_server", no_server},         {"fuzz", fuzz},
    {"engine", engine},         {"searching", searching},
    {"finding", finding},
    {"closing_all", closing_all},
    {"bad_arguments", bad_arguments},
    {"interrupted", interrupted},
    {"forking_at_free", forking_at_free},
};

int main(int count, char **arguments)
{
    CHECK(count == 3);
    setenv("MODULE", arguments[1], 1);
    library = dlopen(arguments[1], RTLD_NOW | RTLD_GLOBAL);
    if (library == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    CK_INTERFACE *newest;
    CK_C_GetInterface find = (CK_C_GetInterface)dlsym(library, "C_GetInterface");
    CHECK(find != NULL);
    OK(find(NULL, NULL, &newest, 0));
    f = newest->pFunctionList;
    for (size_t index = 0; index < sizeof SCENARIOS / sizeof SCENARIOS[0]; index++) {
        if (strcmp(SCENARIOS[index].name, arguments[2]) == 0) {
            SCENARIOS[index].run();
            return 0;
        }
    }
    fprintf(stderr, "no scenario %s\n", arguments[2]);
    return 1;
}
