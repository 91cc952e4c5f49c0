// The question shown, as a program that asks it: Python with gradio_client, and curl.

/**
 * @typedef {object} Shown
 * @property {string} server The page's own address.
 * @property {string | null} example Its name; null for an uploaded file.
 * @property {string} file The uploaded file's name.
 * @property {string | null} address From which the image was fetched; null where it was not.
 * @property {import('./types.d.ts').Rendering} picture How it is shown, where that was chosen.
 * @property {string} question
 * @property {number[]} budgets One a scale.
 * @property {boolean} perScale Whether they were set one by one.
 * @property {Record<string, string | number>} method What was chosen of it.
 * @property {number} looks
 * @property {string} model
 */

const DEFAULT_MODEL = 'nano';

/** What `/ask` is given, without the image. @param {Shown} shown */
function argumentsOf({ question, budgets, perScale, method, looks, model }) {
  const budget = perScale ? { per_scale: budgets } : { budget: budgets.reduce((sum, each) => sum + each, 0) };
  return {
    question,
    ...budget,
    ...(looks ? { looks } : {}),
    ...method,
    ...(model === DEFAULT_MODEL ? {} : { model }),
  };
}

/** A value as Python writes it. @param {unknown} value @returns {string} */
export function python(value) {
  if (value === null || value === undefined) return 'None';
  if (value === true) return 'True';
  if (value === false) return 'False';
  if (Array.isArray(value)) return `[${value.map(python).join(', ')}]`;
  if (typeof value === 'object') {
    const items = Object.entries(value).map(([key, item]) => `${python(key)}: ${python(item)}`);
    return `{${items.join(', ')}}`;
  }
  return JSON.stringify(value); // JSON's texts and numbers are Python's too
}

/** @param {Shown} shown */
export function asPython(shown) {
  const { server, example, file, address, picture } = shown;
  const chosen = Object.keys(picture).length ? `, picture=${python(picture)}` : '';
  const ingests = example === null || chosen !== '';
  const uploads = ingests && address === null;
  const given = uploads
    ? `handle_file(${python(example === null ? file : `${example}.png`)})`
    : `address=${python(address)}`;
  const image = ingests
    ? `explorer.predict(${given}${chosen}, api_name="/ingest")["image"]`
    : python(example);
  return [
    `from gradio_client import Client${uploads ? ', handle_file' : ''}`,
    '',
    `explorer = Client(${python(server)})`,
    `image = ${image}`,
    'result = explorer.predict(',
    '    image=image,',
    ...Object.entries(argumentsOf(shown)).map(([name, value]) => `    ${name}=${python(value)},`),
    '    api_name="/ask",',
    ')',
    'print(result["answer"], result["tokens"])',
    '',
  ].join('\n');
}

/** A text as one word of a shell. @param {string} text */
export const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

/** @param {Shown} shown */
export function asCurl(shown) {
  const { server, example, file, address, picture } = shown;
  const call = `${server.replace(/\/$/, '')}/gradio_api`;
  const steps = [];
  const ask = (/** @type {string} */ name, /** @type {string} */ body) => [
    `EVENT=$(curl -s ${quoted(`${call}/call/v2/${name}`)} -H 'Content-Type: application/json' -d ${body} | cut -d '"' -f 4)`,
    `curl -sN ${quoted(`${call}/call/${name}/`)}"$EVENT"`,
  ];
  const given = argumentsOf(shown);
  if (example !== null && !Object.keys(picture).length) {
    return [...ask('ask', quoted(JSON.stringify({ image: example, ...given }))), ''].join('\n');
  }
  const chosen = Object.keys(picture).length ? `, "picture": ${JSON.stringify(picture)}` : '';
  if (address === null) {
    const name = example === null ? file : `${example}.png`;
    steps.push(
      `FILE=$(curl -s ${quoted(`${call}/upload`)} -F ${quoted(`files=@${name}`)} | cut -d '"' -f 2)`,
      ...ask(
        'ingest',
        `${quoted('{"file": {"path": "')}"$FILE"${quoted(`", "meta": {"_type": "gradio.FileData"}}${chosen}}`)}`,
      ),
    );
  } else {
    steps.push(...ask('ingest', quoted(`{"address": ${JSON.stringify(address)}${chosen}}`)));
  }
  steps.push(
    `IMAGE=${quoted('the id that the line above printed')}`,
    ...ask('ask', `${quoted('{"image": "')}"$IMAGE"${quoted(`", ${JSON.stringify(given).slice(1)}`)}`),
  );
  return [...steps, ''].join('\n');
}
