// A container of state: declared keys with start values, and listeners to their changes.

/**
 * @template {object} State
 * @param {State} start Every key there is, with its first value.
 */
export function createStore(start) {
  const state = { ...start };
  /** @type {Map<PropertyKey, Set<(state: State) => void>>} */
  const listeners = new Map(Object.keys(start).map((key) => [key, new Set()]));

  /** @param {PropertyKey} key */
  function listenersOf(key) {
    const found = listeners.get(key);
    if (!found) throw new Error(`the page's state has no "${String(key)}"`);
    return found;
  }

  return {
    /** The state itself; only `set` changes it. */
    get: () => /** @type {Readonly<State>} */ (state),

    /**
     * Change some of the state. A listener to several of the changed keys is called once. Throws for a key that is
     * not declared, and then changes nothing.
     * @param {Partial<State>} patch
     */
    set(patch) {
      const keys = /** @type {(keyof State)[]} */ (Object.keys(patch));
      const affected = keys.map((key) => ({ key, set: listenersOf(key) }));
      const changed = affected.filter(({ key }) => state[key] !== patch[key]);
      Object.assign(state, patch);
      const called = new Set();
      for (const listener of changed.flatMap((each) => [...each.set])) {
        if (called.has(listener)) continue;
        called.add(listener);
        listener(state);
      }
    },

    /**
     * Call `listener(state)` now, and whenever one of the keys changes.
     * @param {(keyof State)[]} keys
     * @param {(state: Readonly<State>) => void} listener
     */
    on(keys, listener) {
      for (const key of keys) listenersOf(key).add(listener);
      listener(state);
    },

    /**
     * The same, at most once an animation frame: for pictures that follow a drag.
     * @param {(keyof State)[]} keys
     * @param {(state: Readonly<State>) => void} listener
     */
    onFrame(keys, listener) {
      let waiting = false;
      this.on(keys, () => {
        if (waiting) return;
        waiting = true;
        requestAnimationFrame(() => {
          waiting = false;
          listener(state);
        });
      });
    },
  };
}
