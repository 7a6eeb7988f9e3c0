/*
 * SoftHSM2 with manners of other devices, for tests. What is not here is SoftHSM2's own.
 *
 * AES-GCM: C_EncryptInit takes an IV of zeros only. The IV that was made is written where the
 * caller's was: OWN_IV=early at once, late (default) in C_Encrypt; behind: after the tag instead;
 * never: nowhere.
 *
 * Key wrapping: RFC 5649 goes by the vendor's number, and the standard's are not offered.
 *
 * C_DestroyObject: AT_DESTROY=kill ends the process that has started this one, and with it the
 * server; AT_DESTROY=fail only fails. Nothing is destroyed in either case.
 *
 * Searches: while there is a file of the name that is in FIND, C_FindObjects fails, or comes to no
 * end where FIND_HOW=endless.
 *
 * Tokens: with SLOTS=odd texts are padded with zeros, and the first slot says nothing of its token,
 * which has not been initialised.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

typedef unsigned long word;
typedef struct { word mechanism; void *parameter; word length; } mechanism;
typedef struct {
  unsigned char *iv; word iv_length; word iv_bits; unsigned char *aad; word aad_length; word tag_bits;
} gcm;

enum { GCM = 0x1087, PARAMETER_INVALID = 0x71, TOO_SMALL = 0x150, SESSIONS = 64, IV_BYTES = 12 };
enum { INITIALIZED = 0x400, NOT_RECOGNIZED = 0xe1 };

static struct { unsigned char *place; unsigned char iv[IV_BYTES]; } begun[SESSIONS];

static void *real(const char *name) {
  return dlsym(dlopen(SOFTHSM, RTLD_NOW), name);
}

static int is(const char *mode) {
  const char *given = getenv("OWN_IV");
  return strcmp(given == NULL ? "late" : given, mode) == 0;
}

word C_EncryptInit(word session, mechanism *given, word key) {
  word (*init)(word, mechanism *, word) = real("C_EncryptInit");
  word at = session % SESSIONS;
  begun[at].place = NULL;
  if (given == NULL || given->mechanism != GCM) return init(session, given, key);
  gcm changed = *(gcm *)given->parameter;
  static const unsigned char zeros[IV_BYTES];
  if (changed.iv_length != IV_BYTES || memcmp(changed.iv, zeros, IV_BYTES) != 0) return PARAMETER_INVALID;
  if (getrandom(begun[at].iv, IV_BYTES, 0) != IV_BYTES) return PARAMETER_INVALID;
  begun[at].place = changed.iv;
  changed.iv = begun[at].iv;
  mechanism own = {GCM, &changed, sizeof changed};
  if (is("early")) memcpy(begun[at].place, begun[at].iv, IV_BYTES);
  return init(session, &own, key);
}

word C_Encrypt(word session, unsigned char *data, word length, unsigned char *out, word *out_length) {
  word (*encrypt)(word, unsigned char *, word, unsigned char *, word *) = real("C_Encrypt");
  word room = out_length == NULL ? 0 : *out_length;
  word rv = encrypt(session, data, length, out, out_length);
  word at = session % SESSIONS;
  if (rv != 0 || out == NULL || begun[at].place == NULL) return rv;
  if (is("late")) memcpy(begun[at].place, begun[at].iv, IV_BYTES);
  if (is("behind")) {
    if (room < *out_length + IV_BYTES) return TOO_SMALL;
    memcpy(out + *out_length, begun[at].iv, IV_BYTES);
    *out_length += IV_BYTES;
  }
  return rv;
}

word C_DestroyObject(word session, word object) {
  word (*destroy)(word, word) = real("C_DestroyObject");
  const char *at = getenv("AT_DESTROY");
  if (at == NULL) return destroy(session, object);
  if (strcmp(at, "kill") == 0) kill(getppid(), SIGKILL);
  return 0x06;
}

word C_FindObjects(word session, word *found, word room, word *count) {
  word (*find)(word, word *, word, word *) = real("C_FindObjects");
  const char *file = getenv("FIND"), *how = getenv("FIND_HOW");
  if (file == NULL || access(file, F_OK) != 0) return find(session, found, room, count);
  if (how == NULL || strcmp(how, "endless") != 0) return 0x06;
  for (word at = 0; at < room; at++) found[at] = 1;
  *count = room;
  return 0;
}

typedef struct { unsigned char label[32], maker[32], model[16], serial[16]; word flags; } token;

word C_GetSlotList(unsigned char present, word *list, word *count) {
  word (*get)(unsigned char, word *, word *) = real("C_GetSlotList");
  word rv = get(present, list, count);
  if (getenv("SLOTS") == NULL || rv != 0 || list == NULL) return rv;
  for (word at = 0; at < *count / 2; at++) {
    word other = *count - 1 - at, first = list[at];
    list[at] = list[other];
    list[other] = first;
  }
  return rv;
}

static void pad(unsigned char *text, int length) {
  while (length > 0 && text[length - 1] == ' ') text[--length] = 0;
}

word C_GetTokenInfo(word slot, token *info) {
  word (*get)(word, token *) = real("C_GetTokenInfo");
  word rv = get(slot, info);
  if (getenv("SLOTS") == NULL || rv != 0) return rv;
  if ((info->flags & INITIALIZED) == 0) return NOT_RECOGNIZED;
  pad(info->label, 32);
  pad(info->maker, 32);
  pad(info->model, 16);
  pad(info->serial, 16);
  return rv;
}

enum { WRAP = 0x2109, PAD = 0x210a, LISTED_MAX = 512 };
static const word VENDOR = 0x8000216f;

word C_GetMechanismList(word slot, word *list, word *count) {
  word (*get)(word, word *, word *) = real("C_GetMechanismList");
  static word all[LISTED_MAX];
  word found = LISTED_MAX, left = 0;
  word rv = get(slot, all, &found);
  if (rv != 0) return rv;
  for (word at = 0; at < found; at++) {
    if (all[at] == PAD) all[left++] = VENDOR;
    else if (all[at] != WRAP) all[left++] = all[at];
  }
  if (list != NULL && *count < left) rv = TOO_SMALL;
  else if (list != NULL) memcpy(list, all, left * sizeof *all);
  *count = left;
  return rv;
}

word C_GetMechanismInfo(word slot, word type, void *info) {
  word (*get)(word, word, void *) = real("C_GetMechanismInfo");
  return get(slot, type == VENDOR ? PAD : type, info);
}

word C_WrapKey(word session, mechanism *given, word kek, word key, unsigned char *out, word *length) {
  word (*wrap)(word, mechanism *, word, word, unsigned char *, word *) = real("C_WrapKey");
  mechanism own = *given;
  if (own.mechanism == WRAP || own.mechanism == PAD) return 0x70;
  if (own.mechanism == VENDOR) own.mechanism = PAD;
  return wrap(session, &own, kek, key, out, length);
}
