// Writes a constant and everything new that it depends on as plain data: the only thing that leaves an elaborator.
//
// The form (JSON): names [[parent, string | {n: digits}]], index 0 is the anonymous name; levels and exprs as tagged
// arrays that refer to earlier indices only; declarations in an order in which each uses earlier ones only.
// Metadata nodes are dropped. Promises: sharing is kept, so the size follows the term's size as a graph; no recursion,
// so depth costs nothing. Fails: with an Error for free or metavariables and for more than MAX_NODES expressions.
'use strict';

const { key } = require('./lean.js');

const MAX_NODES = 2_000_000; // about 200 MB as JSON; honest proofs have thousands
const AXIOM = 0, DEFINITION = 1, THEOREM = 2, OPAQUE = 3, QUOTIENT = 4, INDUCTIVE = 5, CONSTRUCTOR = 6, RECURSOR = 7;
exports.KINDS = ['axiom', 'definition', 'theorem', 'opaque', 'quotient', 'inductive', 'constructor', 'recursor'];

const EXPR_TAGS = ['bvar', 'fvar', 'mvar', 'sort', 'const', 'app', 'lam', 'pi', 'let', 'lit', 'mdata', 'proj'];

/**
 * A reader of constants for one session; `byKey` maps name keys to ConstantInfo pointers (borrowed throughout). Only the
 * library's has quotients: they come as one record, after the equality that the kernel asks for.
 */
exports.exporter = (lean, byKey) => {
  const { field, list, tag, isScalar, name, nat, text, scalar8, scalar32 } = lean;
  const out = { names: [null], levels: [], exprs: [], declarations: [] };
  const nameIndex = new Map(); // key → index
  const namePointers = new Map();
  const levelIndex = new Map();
  const exprIndex = new Map();
  const keys = ['']; // index → key

  function nameOf(o) {
    const known = namePointers.get(o);
    if (known !== undefined) return known;
    let parent = 0;
    const components = [];
    for (const c of name(o)) {
      components.push(c);
      const k = key(components);
      let index = nameIndex.get(k);
      if (index === undefined) {
        index = out.names.push([parent, c]) - 1;
        nameIndex.set(k, index);
        keys.push(k);
      }
      parent = index;
    }
    namePointers.set(o, parent);
    return parent;
  }

  function levelOf(o) {
    if (isScalar(o)) return intern('zero', ['0']);
    const known = levelIndex.get(o);
    if (known !== undefined) return known;
    let row;
    switch (tag(o)) {
      case 0: row = ['0']; break;
      case 1: row = ['s', levelOf(field(o, 0))]; break;
      case 2: row = ['m', levelOf(field(o, 0)), levelOf(field(o, 1))]; break;
      case 3: row = ['i', levelOf(field(o, 0)), levelOf(field(o, 1))]; break;
      case 4: row = ['p', nameOf(field(o, 0))]; break;
      default: throw new Error('the term has universe metavariables');
    }
    return intern(o, row);
  }
  function intern(o, row) {
    if (!levelIndex.has(o)) levelIndex.set(o, out.levels.push(row) - 1);
    return levelIndex.get(o);
  }

  const children = (o) => {
    switch (EXPR_TAGS[tag(o)]) {
      case 'app': return [field(o, 0), field(o, 1)];
      case 'lam': case 'pi': return [field(o, 1), field(o, 2)];
      case 'let': return [field(o, 1), field(o, 2), field(o, 3)];
      case 'mdata': return [field(o, 1)];
      case 'proj': return [field(o, 2)];
      default: return [];
    }
  };
  const at = (o) => exprIndex.get(o);
  function row(o) {
    switch (EXPR_TAGS[tag(o)]) {
      case 'bvar': return ['v', nat(field(o, 0))];
      case 'sort': return ['s', levelOf(field(o, 0))];
      case 'const': return ['c', nameOf(field(o, 0)), list(field(o, 1)).map(levelOf)];
      case 'app': return ['a', at(field(o, 0)), at(field(o, 1))];
      case 'lam': return ['l', nameOf(field(o, 0)), at(field(o, 1)), at(field(o, 2)), scalar8(o, 8)];
      case 'pi': return ['p', nameOf(field(o, 0)), at(field(o, 1)), at(field(o, 2)), scalar8(o, 8)];
      case 'let': return ['t', nameOf(field(o, 0)), at(field(o, 1)), at(field(o, 2)), at(field(o, 3)), scalar8(o, 8)];
      case 'lit': {
        const literal = field(o, 0);
        return tag(literal) === 0 ? ['n', nat(field(literal, 0))] : ['x', text(field(literal, 0))];
      }
      case 'proj': return ['j', nameOf(field(o, 0)), nat(field(o, 1)), at(field(o, 2))];
      default: throw new Error('the term has free variables or metavariables');
    }
  }
  function exprOf(root) {
    const stack = [root];
    while (stack.length) {
      const o = stack[stack.length - 1];
      if (exprIndex.has(o)) {
        stack.pop();
        continue;
      }
      const missing = children(o).filter((c) => !exprIndex.has(c));
      if (missing.length) {
        stack.push(...missing);
        continue;
      }
      stack.pop();
      if (EXPR_TAGS[tag(o)] === 'mdata') exprIndex.set(o, at(field(o, 1)));
      else exprIndex.set(o, out.exprs.push(row(o)) - 1);
      if (out.exprs.length > MAX_NODES) throw new Error('proof term too large');
    }
    return exprIndex.get(root);
  }

  const shared = (info) => field(field(info, 0), 0); // ConstantVal: name, universe parameters, type
  const head = (info) => ({
    n: nameOf(field(shared(info), 0)),
    l: list(field(shared(info), 1)).map(nameOf),
    t: exprOf(field(shared(info), 2)),
  });

  function hints(o) {
    if (isScalar(o)) return lean.unbox(o) === 1 ? 'a' : 'o';
    return scalar32(o, 0);
  }

  /** The declaration that makes the constant of `info`: one record, for a whole inductive block at once. */
  function record(info) {
    const value = field(info, 0);
    switch (tag(info)) {
      case AXIOM: return { k: 'axiom', ...head(info) };
      case DEFINITION: return { k: 'definition', ...head(info), v: exprOf(field(value, 1)), h: hints(field(value, 2)) };
      case THEOREM: return { k: 'theorem', ...head(info), v: exprOf(field(value, 1)) };
      case OPAQUE: return { k: 'opaque', ...head(info), v: exprOf(field(value, 1)) };
      case INDUCTIVE: {
        const types = list(field(value, 3)).map((n) => {
          const member = find(n);
          return {
            ...head(member),
            c: list(field(field(member, 0), 4)).map((c) => head(find(c))),
          };
        });
        return { k: 'inductive', n: types[0].n, l: types[0].l, p: nat(field(value, 1)), types };
      }
      case QUOTIENT:
        if (byKey.ofLibrary) return { k: 'quotient', ...head(info) };
      // falls through
      default: throw new Error(`a new ${exports.KINDS[tag(info)]} cannot be replayed`);
    }
  }
  const find = (n) => {
    const info = byKey.get(key(name(n)));
    if (info === undefined) throw new Error('an inductive block is incomplete');
    return info;
  };
  /** Constructors, recursors and mutual types stand for the first type of their block. */
  function owner(info) {
    if (tag(info) === CONSTRUCTOR) return owner(find(field(field(info, 0), 1)));
    if (tag(info) === RECURSOR) return find(list(field(field(info, 0), 1))[0]);
    if (tag(info) === INDUCTIVE) return find(list(field(field(info, 0), 3))[0]);
    if (tag(info) === QUOTIENT && byKey.ofLibrary) return byKey.get('"Quot"');
    return info;
  }

  /** Indices of the names that the given expressions use as constants. */
  function constantsOf(roots) {
    const used = new Set();
    const seen = new Set();
    const stack = [...roots];
    while (stack.length) {
      const i = stack.pop();
      if (seen.has(i)) continue;
      seen.add(i);
      const e = out.exprs[i];
      switch (e[0]) {
        case 'c': used.add(e[1]); break;
        case 'a': stack.push(e[1], e[2]); break;
        case 'l': case 'p': stack.push(e[2], e[3]); break;
        case 't': stack.push(e[2], e[3], e[4]); break;
        case 'j': used.add(e[1]); stack.push(e[3]); break;
      }
    }
    return used;
  }
  const termsOf = (r) =>
    r.k === 'inductive' ? r.types.flatMap((t) => [t.t, ...t.c.map((c) => c.t)]) : r.v === undefined ? [r.t] : [r.t, r.v];

  const done = new Set(); // owner pointers whose record is out
  const open = new Map(); // owner pointer → {record, needs}
  function start(info) {
    const r = record(info);
    const needs = r.k === 'quotient' ? [owner(byKey.get('"Eq"'))] : [];
    for (const n of constantsOf(termsOf(r))) {
      const dependency = byKey.get(keys[n]);
      if (dependency !== undefined) needs.push(owner(dependency));
    }
    const entry = { record: r, needs };
    open.set(info, entry);
    return entry;
  }

  /** Adds the constants named by `wanted` (keys) that there are, and all that they depend on. */
  function addAll(wanted) {
    for (const k of wanted) if (byKey.has(k)) closure(owner(byKey.get(k)));
    return out;
  }

  /** Adds the constant named `target` (key) and what it depends on; for a theorem, `typeOnly` leaves its proof out. */
  function add(target, typeOnly) {
    const info = byKey.get(target);
    if (typeOnly) {
      const h = head(info);
      for (const n of constantsOf([h.t])) if (byKey.has(keys[n])) closure(owner(byKey.get(keys[n])));
      out.target = h;
    } else {
      closure(owner(info));
      out.target = { n: nameOf(field(shared(info), 0)) };
    }
    return out;
  }
  function closure(root) {
    const stack = [root];
    while (stack.length) {
      const info = stack[stack.length - 1];
      if (done.has(info)) {
        stack.pop();
        continue;
      }
      const entry = open.get(info) || start(info);
      const missing = entry.needs.filter((d) => d !== info && !done.has(d) && !open.has(d));
      if (missing.length) {
        stack.push(missing[0]);
        continue;
      }
      stack.pop();
      done.add(info);
      out.declarations.push(entry.record);
    }
  }
  return { add, addAll };
};
