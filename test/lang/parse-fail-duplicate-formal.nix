{ pkgs, lib, config, pkgs }: lib
