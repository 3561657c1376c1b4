{
  services.web = {
    port = 80;
  };
  services.web.port = 8080;
}
