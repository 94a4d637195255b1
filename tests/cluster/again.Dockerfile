# The same image under another digest.
ARG BASE
FROM $BASE
LABEL again=1
