// Shapes of what Python sends to the page; the named Python function or dataclass makes each of them.

/** [x0, y0, x1, y1] in pixels of the upright image; x1 and y1 are outside. */
export type Box = [number, number, number, number];
export type Fate = 'preserved' | 'merged' | 'dropped';
/** What a token is at a budget; padding shows nothing of the image. */
export type Kind = Fate | 'padding';
export type Layer = 'seen' | 'fate' | 'importance' | 'regions' | 'image';
export type Importance = 'similarity' | 'attention' | 'fused';
export type Page = 'explore' | 'findings';

/** What Gradio gives to a panel's script (app/viewer.py: _LOAD). */
export interface PanelContext {
  element: HTMLElement;
  props: { value: unknown };
  trigger: Trigger;
  watch(name: string, run: () => void): void;
}
export type Trigger = (event: string, data?: object) => void;

/** app/constants.py: geometry. */
export interface Geometry {
  /** Sides of the resized square in pixels, coarse to fine. */
  scales: number[];
  /** Side of a tile in pixels. */
  tile: number;
  /** Tokens a side of a tile. */
  grid: number;
  /** Side in image pixels of the square that a smaller image lies in. */
  least?: number;
  /** Address of the scales that a growing total budget is shared among: one byte a token. */
  shares: string;
  /** Of the native scales the tiles that were looked at, row by row. */
  looked?: Record<string, number[]>;
  /** The same model where nothing was looked at. */
  whole?: Geometry;
}

/** app/constants.py: constants. */
export interface Constants {
  model: Geometry;
  budget: {
    start: number;
    proportion: number[];
    presets: { name: string; tip: string; per_scale: number[] }[];
  };
  maps: { merged_bit: number; headroom: number };
  fates: Record<Kind, number>;
  colors: Record<Kind, string> & { heat: string[] };
  image_tile: number;
  method: string[];
  stages: Record<string, string>;
}

/** First and last row and column of the tokens that a box touches. */
export interface Cells {
  rows: [number, number];
  cols: [number, number];
}

/** app/viewer.py: image_value. */
export interface ImageValue {
  id: string;
  example: string | null;
  title: string;
  /** From which it was fetched; null for any other image. */
  address: string | null;
  caption: string | null;
  width: number;
  height: number;
  /** Side in image pixels of the square that the model is shown; this and `offset` are filled in by store.js. */
  side: number;
  /** (x, y) of the image's top left corner in that square. */
  offset: [number, number];
  max_zoom: number;
  tiles: string;
  notes: string[];
  metres_per_pixel: number | null;
  place: Place | null;
  picture: PictureValue;
  objects: KnownObject[];
  /** Questions to choose from. */
  suggestions: string[];
  questions: KnownQuestion[];
}
/** app/cards/image.py: place_value. */
export interface Place {
  crs: string;
  transform: [number, number, number, number, number, number] | null;
  /** Rows of map positions, evenly over the image, where no transform places it. */
  lattice: [number, number][][] | null;
  degrees: boolean;
  /** Of a coordinate; null for all. */
  decimals: number | null;
  /** How far off coordinates may be, '' where the file's own map is exact. */
  accuracy: string;
}
/** uhrbat/imagery/rendering.py: what differs from the file's own. */
export interface Rendering {
  bands?: (number | string)[];
  limits?: [number, number];
  gamma?: number;
  nodata?: number | null;
  page?: number;
  transparency?: string;
}
/** app/cards/picture.py: picture_value. */
export interface PictureValue {
  /** In one line how it is shown. */
  summary: string;
  /** The same and more in sentences. */
  notes: string[];
  chosen: Rendering;
  /** Of the bands. */
  names: string[];
  /** Bands shown, from 1. */
  shown: number[];
  mode: string;
  /** Values shown as black and white; null for an 8-bit file as it is. */
  limits: [number, number] | null;
  /** Whether its values are whole numbers. */
  whole: boolean;
  gamma: number;
  nodata: number | null;
  page: number;
  /** Pages or levels to choose from; none where there is one only. */
  pages: string[];
  /** What is taken for transparency; null where there is nothing to choose. */
  transparency: string | null;
  /** Address; null where there is none. */
  histogram: string | null;
}
export interface KnownObject {
  kind: string;
  color: string | null;
  box: Box;
}
export interface KnownQuestion {
  text: string;
  answer: string;
  /** Indices of objects. */
  evidence: number[];
}

/** app/viewer.py: maps_value. */
export interface Maps {
  id: string;
  question: string;
  /** How its tokens were scored. */
  importance: Importance;
  scales: ScaleSource[];
}
export interface ScaleSource {
  size: number;
  /** Tokens a side. */
  grid: number;
  tokens: number;
  /** Of a native scale the tiles that were looked at, row by row. */
  looked?: number[] | null;
  /** Whether importance was measured at this scale, or enlarged from the coarsest. */
  scored: boolean;
  low: number;
  high: number;
  rank: string;
  importance: string;
  region: string;
}

/** app/marks.py: points. */
export interface PointMark {
  x: number;
  y: number;
  status: 'pointed' | 'found' | 'missed' | 'imagined';
  label: string;
  /** Of a missed object. */
  box?: Box;
}

/** app/actions.py: what the viewer is sent. `model` comes with the first image of a model of another geometry. */
export interface ViewerValue {
  image?: ImageValue;
  maps?: Maps;
  points?: PointMark[];
  model?: Geometry;
}

/** app/values.py: cost_value. */
export interface Cost {
  model: string;
  device: string | null;
  tokens_per_second: number | null;
  /** What reading takes besides. */
  overhead_seconds: number;
  bytes_per_token: number | null;
  /** Looks that one question may take. */
  most_looks?: number | null;
  /** What encoding one tile takes, and reading a million pixels of a file. */
  tile_seconds?: number | null;
  megapixel_seconds?: number | null;
}
export interface BudgetValue {
  total: number;
  per_scale: number[] | null;
  /** Tiles of the native scales that a question looks at. */
  looks?: number;
  cost?: Cost;
  /** Comes with the cost, once the model is known. */
  model?: Geometry;
}

/** app/values.py: answer_value. */
export interface Answer {
  text: string;
  question: string;
  budgets: number[];
  /** Tiles of the native scales that it looked at, at most. */
  looks: number;
  tokens: number;
  truncated: boolean;
  seconds: number;
  decode_seconds: number;
  model: string;
  method: Record<string, string | number>;
  /** Why no answer about this image is to be trusted. */
  caveat: string | null;
  understood: boolean;
  /** The question as the model was asked it, where that is in other words. */
  read_as: string | null;
  /** Why the question was not understood, and what can be asked instead. */
  not_understood: string | null;
  /** How much of what is asked for was found where that was measured. */
  measured: string | null;
  correct: boolean | null;
  cost: Cost;
  /** What each word of it looked at, once somebody asked for it. */
  words: Words | null;
}

/** app/cards/answer.py: words_value. */
export interface Words {
  /** Id of the maps whose ranks are meant. */
  maps: string;
  words: string[];
  /** How many ranks there are at each scale. */
  ranks: number[];
  /** Where the weights are: float32 by scale, word and rank. */
  source: string;
}

/** app/values.py: object_value, or why there is none. */
export interface ObjectValue {
  box: Box;
  /** Id of the maps it belongs to. */
  maps: string;
  budgets: number[];
  rows: ObjectRow[];
  verdict: string;
  cause: string;
  smallest_budget: number | null;
  steps: VerdictStep[];
  forced: Counterfactual | null;
  without: Counterfactual | null;
  looked?: Counterfactual | null;
  /** The verdict on a box a few pixels larger or smaller, where that differs. */
  nearby: { by: number; cause: string; smallest_budget: number | null }[];
}
export interface ObjectRow extends Cells {
  size: number;
  pixels: [number, number];
  tokens: number;
  preserved: number;
  merged: number;
  dropped: number;
  members: number;
  percentile: number;
  best_importance: number;
  best_rank: number;
  scale_tokens: number;
  scored: boolean;
  /** False at a native scale where no look went to the box. */
  looked?: boolean;
  native?: boolean;
}
export interface VerdictStep {
  total: number;
  preserved: boolean;
  cause: string;
  verdict: string;
}
export interface Counterfactual {
  text: string;
  budgets: number[];
  tokens: number;
  seconds: number;
}
export interface Failed {
  error: string;
}

/** app/values.py: sweep_value. */
export interface Sweep {
  question: string;
  wanted: number[];
  running: boolean;
  points: SweepPoint[];
}
export interface SweepPoint {
  budgets: number[];
  answer: string;
  correct: boolean | null;
  tokens: number;
  seconds: number;
  evidence: number | null;
}

/** app/values.py: compare_value. */
export interface Comparison {
  question: string;
  budgets: number[];
  running: boolean;
  thumbnail: string;
  methods: ComparedMethod[];
}
export interface ComparedMethod {
  name: string;
  label: string;
  explanation: string;
  answer: string;
  correct: boolean | null;
  tokens: number;
  seconds: number;
  evidence: number | null;
  /** Scale to address. */
  fates: Record<string, string>;
}

/** app/values.py: run_value. */
export interface RunValue {
  id: string;
  seconds: Record<string, number>;
  reused: string[];
  facts: Record<string, string | number>;
  sizes: number[];
}

/** app/cards/history.py: past_value. */
export interface Past {
  entries: PastEntry[];
}
export interface PastEntry {
  id: string;
  /** Id of its token maps. */
  maps: string;
  /** Id of the picture, and its title. */
  picture: string;
  image: string;
  question: string;
  budgets: number[];
  looks: number;
  tokens: number;
  text: string;
  correct: boolean | null;
  seconds: number;
  model: string;
  method: Record<string, string | number>;
}

/** app/cards/hand.py. */
export interface HandAnswer {
  maps: string;
  text: string;
  correct: boolean | null;
  budgets: number[];
  tokens: number;
  seconds: number;
  /** How many regions were added. */
  force: number;
  /** How many were removed. */
  without: number;
  /** Whether the added ones were all that the model was given. */
  only: boolean;
}

/** app/progress.py. */
export interface Progress {
  /** 'ahead': an uploaded image is being encoded before anything is asked; 'ready': it has been. */
  state: 'idle' | 'running' | 'failed' | 'ahead' | 'ready';
  text: string;
  fraction: number;
  job?: string;
}

/** app/actions.py: _gallery_value. */
export interface ExampleValue {
  name: string;
  title: string;
  caption: string;
  thumbnail: string;
}

// ---- findings (app/findings.py: Findings.page; uhrbat/evaluation/findings.py)

export interface FindingsValue {
  missing: string[];
  problems: string[];
  frontier: Frontier | null;
  losses: Loss[];
  real: Real | null;
  looks: Looks | null;
  looks_loss: LooksLoss | null;
}
export interface Interval {
  value: number;
  low: number;
  high: number;
}
export interface Measured {
  model: string;
  parameters: number;
  settings: { importance: string; regions: string; order: string };
  seeds: string;
  scenes: number;
  questions: number;
}
export type Measure = 'accuracy' | 'evidence';
/** [budget, value, low, high, questions] */
export type CurvePoint = [number, number, number, number, number];
/** By method. */
export type Curves = Record<string, CurvePoint[]>;
export interface MeasuredMethod {
  id: string;
  title: string;
  description: string;
  family: 'uhrbat' | 'baseline';
  importance: string | null;
  regions: string | null;
  order: string | null;
  default: boolean;
}
export interface Frontier {
  measured: Measured;
  methods: MeasuredMethod[];
  /** By measure, then by group of questions. */
  points: Partial<Record<Measure, Record<string, Curves>>>;
  comparisons: { budget: number; baseline: string; difference: number; low: number; high: number }[];
  agreement: (Interval & { budget: number; wide: number; questions: number })[];
  attention_recall: (Interval & { group: string; tokens: number; chance: number; objects: number })[];
  majority: Record<string, number>;
  no_image: Record<string, number>;
}
export interface Cause {
  budget: number;
  cause: string;
  losses: number;
  proved: number;
}
export interface LossCount extends Interval {
  budget: number;
  side: string;
  both_right: number;
  losses: number;
  gains: number;
  both_wrong: number;
}
export interface Loss {
  measured: Measured;
  pairs: number;
  wide: number;
  counts: LossCount[];
  causes: Cause[];
  misses: Miss[];
}
export interface Miss {
  scene: string;
  method: { importance: string; regions: string; order: string };
  without: number[];
  question: string;
  budget: number;
  box: Box | null;
  object: string | null;
  object_size: number | null;
  truth: string;
  wide_answer: string;
  answer: string;
  cause: string;
  verdict: string;
  forced_answer: string | null;
  proved: boolean;
}
export interface RealFigures {
  model: string;
  parameters: number;
  pictures: number;
  compositions: number;
  worlds: number;
  precision: (Interval & { kind: string; scale: number; chance: number })[];
  evidence: (Interval & {
    kind: string;
    size: string;
    budget: number;
    random: number;
    attention: number | null;
    objects: number;
  })[];
  accuracy: (Interval & { kind: string; asked: string; questions: number })[];
  beach: { picture: string; change: string; right: string[]; given: string }[];
}
/** before: of another model. */
export interface Real {
  now: RealFigures;
  before: RealFigures | null;
}
/** What was measured with looks, on worlds of a side. */
export interface Looks {
  measured: Measured;
  side: number;
  /** Numbers of looks, or "all". */
  looks: string[];
  points: (Interval & {
    looks: string;
    split: string;
    budget: number;
    measure: Measure;
    group: string;
    questions: number;
  })[];
}
export interface LooksLoss {
  measured: Measured;
  side: number;
  losses: { looks: string; budget: number; questions: number; right: number; there: number; lost: number }[];
  causes: { looks: string; budget: number; cause: string; losses: number }[];
}
