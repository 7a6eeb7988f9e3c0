/*
 * SoftHSM2 whose handles take all 64 bits of a CK_ULONG, as those of some devices do: for tests.
 *
 * A handle that differs from the real one by anything else is refused. FORGET=1: every C_FindObjects
 * gives other handles than the one before, which are as good.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>

typedef unsigned long word;

static const word SESSION = 0x0100000000000000, OBJECT = 0xf0e0d2c300000000, SALT = 0x000f000000000000;
static word salt;

static void *real(const char *name) { return dlsym(dlopen(SOFTHSM, RTLD_NOW), name); }
static word session_of(word large) { return (large & ~0xffffffffUL) == SESSION ? large & 0xffffffff : 0; }
static word object_of(word large) {
  return (large & ~SALT & ~0xffffffffUL) == OBJECT ? large & 0xffffffff : 0;
}
static word large_object(word small) { return OBJECT | (salt << 48 & SALT) | small; }

word C_OpenSession(word slot, word flags, void *a, void *b, word *session) {
  word rv = ((word (*)(word, word, void *, void *, word *))real("C_OpenSession"))(slot, flags, a, b, session);
  if (rv == 0) *session |= SESSION;
  return rv;
}

#define PLAIN1(f) word f(word s) { return ((word (*)(word))real(#f))(session_of(s)); }
#define PLAIN2(f) word f(word s, word a) { return ((word (*)(word, word))real(#f))(session_of(s), a); }
#define PLAIN3(f) word f(word s, word a, word b) { return ((word (*)(word, word, word))real(#f))(session_of(s), a, b); }
#define PLAIN4(f) word f(word s, word a, word b, word c) { \
  return ((word (*)(word, word, word, word))real(#f))(session_of(s), a, b, c); }
#define PLAIN5(f) word f(word s, word a, word b, word c, word d) { \
  return ((word (*)(word, word, word, word, word))real(#f))(session_of(s), a, b, c, d); }
#define INIT(f) word f(word s, word mechanism, word key) { \
  return ((word (*)(word, word, word))real(#f))(session_of(s), mechanism, object_of(key)); }

PLAIN1(C_CloseSession) PLAIN1(C_Logout) PLAIN1(C_FindObjectsFinal)
PLAIN2(C_GetSessionInfo)
PLAIN3(C_FindObjectsInit) PLAIN3(C_GenerateRandom) PLAIN3(C_SeedRandom)
PLAIN4(C_Login)
PLAIN5(C_Encrypt) PLAIN5(C_Decrypt) PLAIN5(C_Sign)
INIT(C_EncryptInit) INIT(C_DecryptInit) INIT(C_SignInit)

word C_FindObjects(word s, word *found, word room, word *count) {
  word rv = ((word (*)(word, word *, word, word *))real("C_FindObjects"))(session_of(s), found, room, count);
  if (getenv("FORGET") != NULL) salt++;
  for (word at = 0; rv == 0 && at < *count; at++) found[at] = large_object(found[at]);
  return rv;
}

word C_GenerateKey(word s, void *mechanism, void *template, word count, word *key) {
  word rv = ((word (*)(word, void *, void *, word, word *))real("C_GenerateKey"))(
      session_of(s), mechanism, template, count, key);
  if (rv == 0) *key = large_object(*key);
  return rv;
}

word C_GenerateKeyPair(word s, void *m, void *a, word an, void *b, word bn, word *public, word *private) {
  word rv = ((word (*)(word, void *, void *, word, void *, word, word *, word *))real("C_GenerateKeyPair"))(
      session_of(s), m, a, an, b, bn, public, private);
  if (rv == 0) { *public = large_object(*public); *private = large_object(*private); }
  return rv;
}

word C_CreateObject(word s, void *template, word count, word *object) {
  word rv = ((word (*)(word, void *, word, word *))real("C_CreateObject"))(session_of(s), template, count, object);
  if (rv == 0) *object = large_object(*object);
  return rv;
}

word C_DestroyObject(word s, word object) {
  return ((word (*)(word, word))real("C_DestroyObject"))(session_of(s), object_of(object));
}

word C_GetAttributeValue(word s, word object, void *template, word count) {
  return ((word (*)(word, word, void *, word))real("C_GetAttributeValue"))(
      session_of(s), object_of(object), template, count);
}

word C_WrapKey(word s, void *m, word kek, word key, void *out, word *length) {
  return ((word (*)(word, void *, word, word, void *, word *))real("C_WrapKey"))(
      session_of(s), m, object_of(kek), object_of(key), out, length);
}
