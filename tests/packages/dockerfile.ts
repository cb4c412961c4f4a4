/** A parser of Dockerfiles, and the checks that editors make with it. */
export { DockerfileParser } from "npm:dockerfile-ast@0.7.1";
export { validate } from "npm:dockerfile-utils@0.16.3";
