// @ts-check
// What will not continue by itself, in words: the same numbers in the badge, the tab, the Inbox and the overview.

import { plural } from "../format.js";

/** Such as "3 causes, 118 tasks"; a notice is about the whole swarm. @param {Api.NeedCounts} needs */
export const needsWords = ({ causes, total, notices }) =>
  [causes > 0 && `${plural(causes, "cause")}, ${plural(total, "task")}`, notices > 0 && plural(notices, "notice")]
    .filter(Boolean)
    .join(", ");
