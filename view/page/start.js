'use strict';
/* Opens the page that the address names. */

const pages = /** @type {[RegExp, () => void][]} */ ([[/^\/$/, runsPage], [/^\/run\//, runPage]]);
const named = pages.find(([pattern]) => pattern.test(location.pathname));
if (named) named[1]();
else failed('There is no such page.');
