// Remembers the job that was cancelled: news of it may still be on its way, and must not move the bar.

const NEXT = 'the next';

export function stopping() {
  /** @type {string | null} */
  let stopped = null;
  return {
    /** Stop a job, or the next that reports where its name is not known yet. @param {string} [job] */
    stop(job) {
      stopped = job ?? NEXT;
      return stopped;
    },

    /**
     * Whether a report is about the job that was stopped.
     * @param {Pick<import('./types.d.ts').Progress, 'state' | 'job'> | null} report
     */
    isAbout(report) {
      if (report?.state !== 'running') return false;
      if (stopped === NEXT) stopped = report.job ?? NEXT;
      return report.job === stopped;
    },
  };
}
