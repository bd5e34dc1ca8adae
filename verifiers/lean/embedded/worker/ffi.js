// Calls Lean's compiled functions and reads and builds Lean objects from JavaScript, over the 32-bit object layout.
//
// Ownership, the rules every line here and in lean.js follows (a slip corrupts the heap):
//   1. A pointer is "owned" (we hold one count of it) or "borrowed" (another holder does). Scalars (odd numbers) have none.
//   2. `call` and `io` take every argument owned and return an owned result: they prefer a function's `___boxed` twin,
//      whose convention is just that. To keep using an argument, `inc` it before the call.
//   3. `field`, `fields` and `list` return borrowed pointers, valid while the object that holds them is.
//   4. `mkCtor`, `mkList`, `mkArray` take their parts owned. `text` and `nat` borrow.
//   5. Objects marked persistent (`persist`) are immortal: counting them is a no-op.
// Not promised: anything after a JavaScript exception crossed a wasm frame. The process must end then.
'use strict';

const path = require('path');

const decoder = new TextDecoder('utf-8', { ignoreBOM: true }); // a byte order mark is a character like any other here
const encoder = new TextEncoder();
const MALLOC_SCRATCH = 4096;
const MAX_CTOR_FIELDS = 255;

/** Loads the prepared module in `dir`. `onPrint` receives what Lean prints to its standard streams. */
exports.load = (dir, onPrint) =>
  new Promise((resolve, reject) => {
    process.env.LEAN_POOL = '1';
    const module = (globalThis.__LeanModule = {
      thisProgram: path.join(dir, 'lean'),
      noInitialRun: true,
      noExitRuntime: true,
      print: onPrint,
      printErr: onPrint,
      onAbort(what) {
        reject(new Error(`the Lean runtime aborted: ${what}`));
      },
      onRuntimeInitialized() {
        try {
          resolve(runtime(module));
        } catch (error) {
          reject(error);
        }
      },
    });
    require(path.join(dir, 'glue.js'));
  });

function runtime(module) {
  // Views of the heap are taken anew on each use: the memory grows, and a kept view would miss the new part.
  const words = () => module.__heap32();
  const bytes = () => module.__heap8();

  const functions = new Map();
  const has = (symbol) => module.__sym(symbol) !== undefined;
  const raw = (symbol) => {
    let f = functions.get(symbol);
    if (!f) functions.set(symbol, (f = module.__fn(symbol)));
    return f;
  };
  const global = (symbol) => words()[module.__sym(symbol) >> 2];

  const isScalar = (o) => (o & 1) === 1;
  const box = (n) => ((n << 1) | 1) >>> 0;
  const unbox = (o) => o >>> 1;

  // Reference counts: positive = single-threaded, negative = shared between threads, zero = immortal.
  const inc = (o) => {
    if (isScalar(o)) return o;
    const h = words();
    const count = h[o >> 2] | 0;
    if (count > 0) h[o >> 2] = count + 1;
    else if (count < 0) Atomics.sub(new Int32Array(h.buffer), o >> 2, 1);
    return o;
  };
  const dec = (o) => {
    if (isScalar(o)) return;
    const h = words();
    const count = h[o >> 2] | 0;
    if (count > 1) h[o >> 2] = count - 1;
    else if (count !== 0) raw('lean_dec_ref_cold')(o);
  };
  const count = (o) => words()[o >> 2] | 0;
  const persist = (o) => {
    if (!isScalar(o)) raw('lean_mark_persistent')(o);
    return o;
  };

  // Constructor objects: header 8 bytes (count, size, number of pointers, tag), pointers, then scalars by falling size.
  const tag = (o) => bytes()[o + 7];
  const numFields = (o) => bytes()[o + 6];
  const field = (o, i) => words()[(o + 8 + 4 * i) >> 2];
  const scalar8 = (o, offset) => bytes()[o + 8 + 4 * numFields(o) + offset];
  const scalar32 = (o, offset) => words()[(o + 8 + 4 * numFields(o) + offset) >> 2];
  const scratch = raw('malloc')(MALLOC_SCRATCH);
  const mkCtor = (ctorTag, fields, scalars = []) => {
    if (fields.length > MAX_CTOR_FIELDS) throw new Error('too many fields');
    const h = words();
    fields.forEach((f, i) => (h[(scratch + 16 + 4 * i) >> 2] = f));
    raw('_ZN4lean8mk_cnstrEjjPP11lean_objectj')(scratch, ctorTag, fields.length, scratch + 16, scalars.length);
    const o = words()[scratch >> 2];
    const b = bytes();
    scalars.forEach((s, i) => (b[o + 8 + 4 * fields.length + i] = s));
    return o;
  };

  const mkString = (s) => {
    const e = encoder.encode(s);
    const p = raw('malloc')(e.length + 1);
    bytes().set(e, p);
    bytes()[p + e.length] = 0;
    const o = raw('lean_mk_string_from_bytes')(p, e.length) >>> 0;
    raw('free')(p);
    return o;
  };
  const byteLength = (o) => words()[(o + 8) >> 2] - 1;
  const text = (o) => decoder.decode(bytes().slice(o + 20, o + 20 + byteLength(o)));

  const mkNat = (digits) => {
    if (digits.length <= 9) return box(Number(digits));
    const e = encoder.encode(digits);
    const p = raw('malloc')(e.length + 1);
    bytes().set(e, p);
    bytes()[p + e.length] = 0;
    const o = raw('lean_cstr_to_nat')(p) >>> 0;
    raw('free')(p);
    return o;
  };
  /** Decimal digits of a Nat. */
  const nat = (o) => {
    if (isScalar(o)) return String(unbox(o));
    const s = call('l_Nat_reprFast', inc(o));
    const digits = text(s);
    dec(s);
    return digits;
  };

  const fields = (o) => {
    const h = words();
    const n = h[(o + 8) >> 2];
    return Array.from(h.subarray((o + 16) >> 2, ((o + 16) >> 2) + n));
  };
  const mkArray = (items) => {
    let a = raw('lean_mk_array')(box(0), box(0)) >>> 0;
    for (const item of items) a = raw('lean_array_push')(a, item) >>> 0;
    return a;
  };
  const list = (o) => {
    const items = [];
    for (; !isScalar(o); o = field(o, 1)) items.push(field(o, 0));
    return items;
  };
  const mkList = (items) => {
    let l = box(0);
    for (let i = items.length - 1; i >= 0; i--) l = mkCtor(1, [items[i], l]);
    return l;
  };

  // Names are arrays of components here: a string, or a number component as {n: digits}.
  const mkName = (components) => {
    let n = box(0);
    for (const c of components)
      n =
        (typeof c === 'string'
          ? raw('lean_name_mk_string')(n, mkString(c))
          : raw('lean_name_mk_numeral')(n, mkNat(c.n))) >>> 0;
    return n;
  };
  const name = (o) => {
    const components = [];
    for (; !isScalar(o); o = field(o, 0)) {
      const last = field(o, 1);
      components.push(tag(o) === 1 ? text(last) : { n: nat(last) });
    }
    return components.reverse();
  };

  /** Calls with all arguments owned; missing trailing ones (erased types, the IO world) become `box(0)`. */
  const call = (symbol, ...args) => {
    const f = has(symbol + '___boxed') ? raw(symbol + '___boxed') : raw(symbol);
    while (args.length < f.length) args.push(box(0));
    if (args.length !== f.length) throw new Error(`${symbol} takes ${f.length} arguments, got ${args.length}`);
    return f(...args) >>> 0;
  };
  /** Unpacks an owned IO result; a Lean IO error becomes a JavaScript one. */
  const io = (result) => {
    const value = inc(field(result, 0));
    const failed = tag(result) !== 0;
    dec(result);
    if (!failed) return value;
    const message = call('lean_io_error_to_string', value);
    const s = text(message);
    dec(message);
    throw new Error(s);
  };

  return {
    module, raw, has, global, isScalar, box, unbox, inc, dec, count, persist, tag, numFields, field, scalar8, scalar32,
    mkCtor, mkString, text, mkNat, nat, fields, mkArray, list, mkList, mkName, name, call, io,
    heapMb: () => words().buffer.byteLength >> 20,
  };
}
