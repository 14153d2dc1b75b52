# SPDX-License-Identifier: Apache-2.0
# zsh-complete.zsh FUNCTIONS LINE PATTERN: types LINE and a tab into an interactive zsh whose completion functions are in
# the folder FUNCTIONS too, and waits until PATTERN is seen. The caller limits the time.
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "PS1=; fpath=($1 \$fpath); autoload -Uz compinit; compinit -u -D; LISTMAX=0; print REA''DY"
zpty -r shell seen '*READY*'
zpty -w -n shell "$2"$'\t'
zpty -r shell seen "*$3*" && found=0 || found=1
print -r -- "$seen"
zpty -d shell
exit $found
