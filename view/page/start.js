'use strict';
/* Opens the page that the address names. */

const pages = /** @type {[RegExp, () => void][]} */ ([[/^\/$/, runsPage], [/^\/run\//, runPage], [/^\/compare$/, comparePage], [/^\/search$/, searchPage]]);
const named = pages.find(([pattern]) => pattern.test(location.pathname));
if (named) Promise.resolve(named[1]()).catch((error) => failed(error.message));
else failed('There is no such page.');
